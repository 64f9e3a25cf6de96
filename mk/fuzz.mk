# SPDX-License-Identifier: Apache-2.0
# make fuzz [FUZZ_SECONDS=60] [FUZZ=yaml]: each fuzzer of tests/fuzz for so long,
# from the files of configs/ as seeds.  All it writes is in build/fuzz; a
# finding is left there and ends the run.
FUZZ_SECONDS ?= 60
FUZZ         ?= *
fuzz_dir     := build/fuzz
fuzz_src     := $(sort $(wildcard tests/fuzz/fuzz_$(FUZZ).c))
fuzz_bin     := $(patsubst tests/fuzz/fuzz_%.c,$(fuzz_dir)/%,$(fuzz_src))
fuzz_flags   := -std=c11 -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all
fuzz_part    := $(core_src) $(addprefix lib/diag/,kernlog.c line.c line_marks.c literals.c \
	matcher.c redact.c signatures.c signatures_data.c words.c) \
	$(wildcard lib/diag/xid*.c lib/diag/kmsg*.c)
fuzz_obj      = $(patsubst %.c,$(fuzz_dir)/o/%.o,$(1))

$(fuzz_dir)/o/%.o: %.c
	@mkdir -p $(@D)
	clang $(base_cppflags) $(PKG_CFLAGS) $(fuzz_flags) \
		-fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<

$(fuzz_dir)/%: $(fuzz_dir)/o/tests/fuzz/fuzz_%.o $(call fuzz_obj,$(fuzz_part))
	clang $(fuzz_flags) -fsanitize=fuzzer,address,undefined -o $@ $^ $(YAML_LIBS) $(DIAG_LIBS) -lm

$(fuzz_dir)/o/lib/diag/xid_data.o: lib/diag/xid.yaml
$(fuzz_dir)/o/lib/diag/signatures_data.o: lib/diag/signatures.yaml

fuzz: $(if $(CLANG),$(fuzz_bin))
	$(if $(CLANG),,@echo "fuzz: clang is needed" >&2; exit 77)
	@for bin in $(fuzz_bin); do \
		echo "== $$bin, $(FUZZ_SECONDS) s"; \
		mkdir -p $$bin.corpus && cp configs/*.yaml $$bin.corpus/ && \
		$$bin -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=10 -rss_limit_mb=2048 \
			-artifact_prefix=$$bin.finding. -print_final_stats=1 $$bin.corpus \
			>$$bin.log 2>&1 || \
			{ tail -40 $$bin.log; echo "fuzz: a finding, see $$bin.finding.*" >&2; exit 1; }; \
		grep stat::number_of_executed_units $$bin.log; \
	done
	@echo "$(words $(fuzz_bin)) fuzzers, no finding"

-include $(shell find $(fuzz_dir)/o -name '*.d' 2>/dev/null)
.PHONY: fuzz
