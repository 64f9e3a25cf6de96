# SPDX-License-Identifier: Apache-2.0
# Test targets.  Each ends with "N passed, N failed".
cli_tests     := $(sort $(wildcard tests/cli/[0-9]*.sh))
golden_tests  := $(sort $(wildcard tests/golden/*.sh))
cluster_tests := $(sort $(wildcard tests/cluster/[0-9]*.sh))
lint_tests    := $(sort $(wildcard tests/lint/*.sh))
long_tests    := $(sort $(wildcard tests/long/*.sh))

test_env = BUILD=$(CURDIR)/$(B) SRC=$(CURDIR) CORPUS=$(CORPUS)

tests-built: all $(units) $(host_bin)

# everything that needs no GPU; under 10 minutes on 2 cores.  Most tests wait for Slurm
# most of the time: two are run at once
CHECK_JOBS ?= 2
check: tests-built
	$(test_env) tests/run -j $(CHECK_JOBS) $(units) $(host_bin) $(golden_tests) $(cli_tests) $(lint_tests) \
		$(cluster_tests)

check-unit: tests-built
	$(test_env) tests/run -j $(CHECK_JOBS) $(units)

check-fast: tests-built
	$(test_env) tests/run -j $(CHECK_JOBS) $(units) $(host_bin) $(golden_tests) $(cli_tests) $(lint_tests)

check-cluster: tests-built
	$(test_env) tests/run -j $(CHECK_JOBS) $(cluster_tests)

# the product against real files: make check-corpus CORPUS=DIR
check-corpus: tests-built $(corpus_bin)
	@[ -n "$(CORPUS)" ] || { echo "check-corpus: say CORPUS=DIR" >&2; exit 2; }
	$(test_env) CORPUS=$(abspath $(CORPUS)) tests/run -t 600 -j $(CHECK_JOBS) $(corpus_bin) \
		$(sort $(wildcard tests/corpus/*.sh))

# planted failures, with a table by class
check-diagnose: tests-built
	$(test_env) tests/diagnose/run.sh

lint: tests-built
	$(test_env) tests/run $(lint_tests)

check-long: tests-built
	$(test_env) tests/run -t 3600 $(long_tests)

# each probe on this machine's GPU, beside what is measured there by other means; with
# none it says so and ends with 77
gpu_best := $(if $(HAVE_CUDA),$(B)/t/gpu_best)

check-gpu: all stubs $(gpu_best)
	$(test_env) tests/gpu/check

$(B)/o/tests/gpu/%.o: gpu_cppflags := $(CUDA_CFLAGS)
$(B)/t/gpu_best: $(B)/o/tests/gpu/best.o $(B)/libprobe.a $(B)/libhost.a $(B)/libcore.a
	@mkdir -p $(@D)
	$(CC) $(all_cflags) $(all_ldflags) -Wl,--as-needed -o $@ $^ $(YAML_LIBS) $(HOST_LIBS) -lm

format-check:
	clang-format --dry-run -Werror $(shell git ls-files '*.c' '*.h')

.PHONY: check check-diagnose check-unit check-fast check-cluster check-corpus check-long check-gpu \
	lint format-check tests-built

# the main job on a dev cluster; needs root (or sudo)
demo: all
	scripts/demo-run
.PHONY: demo

# medians and ratios of interleaved runs; asserts nothing
bench: all stubs $(bench_bin)
	$(test_env) tests/bench/plan.sh
	$(B)/t/plan_bench
	$(B)/t/gather_bench
	$(test_env) tests/bench/prolog.sh
	$(test_env) tests/bench/submit.sh
	$(test_env) tests/bench/wait.sh
	$(test_env) tests/bench/load.sh
	$(test_env) tests/bench/run.sh
	$(test_env) tests/bench/probe.sh
	$(test_env) tests/bench/report.sh
	$(test_env) tests/bench/diagnose.sh
	$(test_env) tests/bench/pack.sh
	$(test_env) tests/bench/epilog.sh
.PHONY: bench
