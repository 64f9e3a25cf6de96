# SPDX-License-Identifier: Apache-2.0
# Test targets.  Each ends with "N passed, N failed".
cli_tests     := $(sort $(wildcard tests/cli/*.sh))
golden_tests  := $(sort $(wildcard tests/golden/*.sh))
cluster_tests := $(sort $(wildcard tests/cluster/[0-9]*.sh))
lint_tests    := $(sort $(wildcard tests/lint/*.sh))
long_tests    := $(sort $(wildcard tests/long/*.sh))

test_env = BUILD=$(CURDIR)/$(B) SRC=$(CURDIR) CORPUS=$(CORPUS)

tests-built: all $(units) $(host_bin)

# everything that needs no GPU; under 10 minutes on 2 cores
check: tests-built
	$(test_env) tests/run $(units) $(host_bin) $(golden_tests) $(cli_tests) $(lint_tests) \
		$(cluster_tests)

check-unit: tests-built
	$(test_env) tests/run $(units)

check-fast: tests-built
	$(test_env) tests/run $(units) $(host_bin) $(golden_tests) $(cli_tests) $(lint_tests)

check-cluster: tests-built
	$(test_env) tests/run $(cluster_tests)

# the product against real files: make check-corpus CORPUS=DIR
check-corpus: tests-built $(corpus_bin)
	@[ -n "$(CORPUS)" ] || { echo "check-corpus: say CORPUS=DIR" >&2; exit 2; }
	$(test_env) CORPUS=$(abspath $(CORPUS)) tests/run -t 600 $(corpus_bin) \
		$(sort $(wildcard tests/corpus/*.sh))

# planted failures, with a table by class
check-diagnose: tests-built
	$(test_env) tests/diagnose/run.sh

lint: tests-built
	$(test_env) tests/run $(lint_tests)

check-long: tests-built
	$(test_env) tests/run -t 3600 $(long_tests)

format-check:
	clang-format --dry-run -Werror $(shell git ls-files '*.c' '*.h')

.PHONY: check check-diagnose check-unit check-fast check-cluster check-corpus check-long lint format-check tests-built

# the main job on a dev cluster; needs root (or sudo)
demo: all
	scripts/demo-run
.PHONY: demo

# medians and ratios of interleaved runs; asserts nothing
bench: all $(bench_bin)
	$(test_env) tests/bench/plan.sh
	$(B)/t/plan_bench
	$(test_env) tests/bench/submit.sh
	$(test_env) tests/bench/wait.sh
	$(test_env) tests/bench/load.sh
	$(test_env) tests/bench/run.sh
	$(test_env) tests/bench/diagnose.sh
.PHONY: bench
