# SPDX-License-Identifier: Apache-2.0
# One Makefile, no recursion.  V=release|debug|asan|tsan|cov picks the variant;
# release lands in build/, the others in build/<variant>/.
VERSION := $(shell cat VERSION)
V       ?= release
B       := $(if $(filter release,$(V)),build,build/$(V))

prefix      ?= /usr/local
bindir      ?= $(prefix)/bin
libdir      ?= $(prefix)/lib
mandir      ?= $(prefix)/share/man
sysconfdir  ?= /etc
datadir     ?= $(prefix)/share
plugindir   ?= $(libdir)/slurm
PLUGSTACK_D ?= $(sysconfdir)/slurm/plugstack.conf.d
completiondir ?= $(datadir)/bash-completion/completions

all:

include mk/probe.mk

warn := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wformat=2 -Wvla -Wwrite-strings -Wpointer-arith $(if $(DEVELOPER),-Werror)
hard := -fstack-protector-strong -D_FORTIFY_SOURCE=2
opt_release := -O2 -g $(hard)
opt_debug   := -O0 -g
opt_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
opt_tsan    := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
opt_cov     := -O0 -g --coverage
ld_release  := -Wl,-z,relro,-z,now
ld_asan     := -fsanitize=address,undefined
ld_tsan     := -fsanitize=thread
ld_cov      := --coverage

base_cppflags := -D_GNU_SOURCE -DDISAGG_VERSION='"$(VERSION)"' -I.
all_cflags    := -std=c11 -fPIC -fvisibility=hidden $(warn) $(opt_$(V)) $(CFLAGS)
all_cppflags  := $(base_cppflags) $(CPPFLAGS)
all_ldflags   := $(ld_$(V)) $(LDFLAGS)

core_src   := $(sort $(wildcard lib/base/*.c lib/conf/*.c lib/plan/*.c lib/engine/*.c))
lib_host_src := $(sort $(wildcard lib/topo/*.c lib/host/*.c))
probe_src  := $(sort $(wildcard lib/diag/*.c lib/probe/*.c))
spank_src  := $(sort $(wildcard spank/*.c))
epilog_src := $(sort $(wildcard spank/epilog/*.c))
helper_lib := $(wildcard helpers/helper.c)
helper_src := $(filter-out $(helper_lib),$(sort $(wildcard helpers/*.c)))
unit_src   := $(sort $(wildcard tests/unit/test_*.c))
corpus_src := $(sort $(wildcard tests/corpus/*.c))
host_src   := $(sort $(wildcard tests/spankhost/*.c))
filter_src := $(sort $(wildcard cli_filter/*.c))
bench_src  := $(sort $(wildcard tests/bench/*.c))

obj = $(patsubst %.c,$(B)/o/%.o,$(1))
core_obj := $(call obj,$(core_src))
helper_part := $(wildcard helpers/*-*.c)
helpers  := $(patsubst helpers/%.c,$(B)/bin/disagg-%, \
	$(filter-out helpers/disagg.c $(helper_part),$(helper_src)))
dispatch := $(if $(wildcard helpers/disagg.c),$(B)/bin/disagg)
units    := $(patsubst tests/unit/%.c,$(B)/t/%,$(unit_src))
corpus_bin := $(patsubst tests/corpus/%.c,$(B)/t/%,$(corpus_src))
host_bin := $(patsubst tests/spankhost/%.c,$(B)/t/%,$(host_src))
bench_bin := $(patsubst tests/bench/%.c,$(B)/t/%,$(bench_src))
plugin   := $(if $(spank_src),$(if $(HAVE_SPANK),$(B)/lib/slurm/disagg.so))
epilog   := $(if $(epilog_src),$(if $(HAVE_SPANK),$(B)/lib/slurm/disagg_epilog.so))
filter   := $(if $(filter_src),$(if $(HAVE_SPANK),$(B)/lib/slurm/cli_filter_disagg.so))
man_src  := $(sort $(wildcard docs/man/*.scd))
pages    := $(patsubst docs/man/%.scd,%,$(man_src))
man      := $(if $(SCDOC),$(addprefix $(B)/man/,$(pages)))
no_plugin := plugin NOT built: no $(SLURM_INCLUDE)/slurm/spank.h; install libslurm-dev, or say \
	SLURM_INCLUDE=FOLDER
say_plugin = $(if $(spank_src),$(if $(plugin),,@echo '*** $(strip $(no_plugin))' >&2))

all: $(helpers) $(dispatch) $(plugin) $(epilog) $(filter) $(man)
	$(or $(say_plugin),@:)

# a changed flag rebuilds: the line is kept, and written anew where it differs
flags_now := $(CC) $(all_cppflags) $(all_cflags) $(all_ldflags) $(PKG_CFLAGS) $(CUDA_CFLAGS) $(NVML_CFLAGS)
flags_file := $(B)/flags
ifneq ($(strip $(file <$(flags_file))),$(strip $(flags_now)))
$(flags_file): flags-differ
endif
$(flags_file): export flags_line = $(flags_now)
$(flags_file):
	@mkdir -p $(@D) && printf '%s\n' "$$flags_line" >$@
flags-differ:

$(B)/o/%.o: %.c $(flags_file)
	@mkdir -p $(@D)
	$(CC) $(all_cppflags) $(PKG_CFLAGS) $(gpu_cppflags) $(all_cflags) -MMD -MP -c -o $@ $<

# what may see the GPU libraries' headers
$(B)/o/lib/probe/%.o $(B)/o/tests/unit/%.o: gpu_cppflags := $(CUDA_CFLAGS)
$(B)/o/tests/unit/test_nvml_abi.o: gpu_cppflags := $(NVML_CFLAGS)

# .incbin is not seen by -MMD
$(B)/o/lib/diag/xid_data.o: lib/diag/xid.yaml
$(B)/o/lib/probe/reference_data.o: lib/probe/reference.yaml
$(B)/o/lib/probe/report_style.o: lib/probe/report.css
$(B)/o/lib/diag/signatures_data.o: lib/diag/signatures.yaml

$(B)/libcore.a: $(core_obj)
	rm -f $@ && ar rcs $@ $^

$(B)/libhost.a: $(call obj,$(lib_host_src))
	rm -f $@ && ar rcs $@ $^

$(B)/libprobe.a: $(call obj,$(probe_src))
	rm -f $@ && ar rcs $@ $^

# helpers/NAME-*.c are parts of helpers/NAME.c
.SECONDEXPANSION:
$(B)/bin/disagg-%: $(B)/o/helpers/%.o $$(call obj,$$(wildcard helpers/%-*.c)) \
		$(call obj,$(helper_lib)) $(B)/libprobe.a $(B)/libhost.a $(B)/libcore.a
	@mkdir -p $(@D)
	$(CC) $(all_cflags) $(all_ldflags) -Wl,--as-needed -o $@ $^ $(YAML_LIBS) $(HOST_LIBS) \
		$(LDLIBS) -lm

$(B)/bin/disagg-exec: YAML_LIBS := $(YAML_STATIC)

$(B)/bin/disagg: $(B)/o/helpers/disagg.o $(call obj,$(helper_lib)) $(B)/libprobe.a $(B)/libhost.a $(B)/libcore.a
	@mkdir -p $(@D)
	$(CC) $(all_cflags) $(all_ldflags) -Wl,--as-needed -o $@ $^ $(YAML_LIBS) $(HOST_LIBS) \
		$(LDLIBS) -lm

$(B)/lib/slurm/disagg.so: $(call obj,$(spank_src)) $(B)/libcore.a spank/plugin.map
	@mkdir -p $(@D)
	$(CC) -shared $(all_cflags) $(all_ldflags) -Wl,--version-script=spank/plugin.map -o $@ \
		$(filter %.o %.a,$^) $(YAML_LIBS) -ldl -lm

$(B)/lib/slurm/disagg_epilog.so: $(call obj,$(epilog_src)) $(B)/libcore.a spank/plugin.map
	@mkdir -p $(@D)
	$(CC) -shared $(all_cflags) $(all_ldflags) -Wl,--version-script=spank/plugin.map -o $@ \
		$(filter %.o %.a,$^)

$(call obj,$(epilog_src)): all_cppflags += -DDISAGG_PACK_PATH='"$(bindir)/disagg-pack"'

$(B)/lib/slurm/cli_filter_disagg.so: $(call obj,$(filter_src) $(filter-out spank/plugin.c,$(spank_src))) $(B)/libcore.a spank/plugin.map
	@mkdir -p $(@D)
	$(CC) -shared $(all_cflags) $(all_ldflags) -Wl,--version-script=cli_filter/filter.map -o $@ \
		$(filter %.o %.a,$^) $(YAML_LIBS) -ldl -lm

$(B)/t/%: $(B)/o/tests/unit/%.o $(B)/libprobe.a $(B)/libhost.a $(B)/libcore.a
	@mkdir -p $(@D)
	$(CC) $(all_cflags) $(all_ldflags) -Wl,--as-needed -o $@ $^ $(YAML_LIBS) $(HOST_LIBS) -lm

$(B)/t/%: $(B)/o/tests/corpus/%.o $(B)/libcore.a
	@mkdir -p $(@D)
	$(CC) $(all_cflags) $(all_ldflags) -o $@ $^ $(YAML_LIBS) $(JSON_LIBS) -lm

$(B)/t/%: $(B)/o/tests/bench/%.o $(B)/libprobe.a $(B)/libhost.a $(B)/libcore.a
	@mkdir -p $(@D)
	$(CC) $(all_cflags) $(all_ldflags) -Wl,--as-needed -o $@ $^ $(YAML_LIBS) $(HOST_LIBS) -lm

# the fake SPANK host exports the symbols that the plugin takes from its host
$(B)/t/%: $(B)/o/tests/spankhost/%.o
	@mkdir -p $(@D)
	$(CC) $(all_cflags) $(all_ldflags) -rdynamic -o $@ $^ -ldl

# .TH turns hyphenation on again: names, options too, are not to be split
$(B)/man/%: docs/man/%.scd
	@mkdir -p $(@D)
	$(SCDOC) <$< >$@.tmp && sed '/^\.TH /a .nh\n.cflags 0 -' $@.tmp >$@ && rm $@.tmp

include mk/check.mk
include mk/stubs.mk
include mk/fuzz.mk

found = $(or $(1),not found)
config:
	@printf '%-13s %s\n' version '$(VERSION)' \
		compiler '$(CC)$(if $(HAVE_CC),, (not found; required))' variant '$(V)' \
		pkg-config '$(or $(shell command -v $(PKG_CONFIG)),not found (required))' \
		libyaml '$(or $(HAVE_YAML),not found (required: libyaml-dev))' \
		json-c '$(or $(HAVE_JSON),not found (required: libjson-c-dev))' \
		libcurl '$(or $(HAVE_CURL),not found (required: libcurl4-openssl-dev))' \
		hwloc '$(or $(HAVE_HWLOC),not found (required: libhwloc-dev))' \
		libmicrohttpd '$(or $(HAVE_MICROHTTPD),not found (required: libmicrohttpd-dev))' \
		hyperscan '$(or $(HAVE_HS),not found (required: libhyperscan-dev, elsewhere libvectorscan-dev))' \
		pcre2 '$(or $(HAVE_PCRE2),not found (required: libpcre2-dev))' \
		libarchive '$(or $(HAVE_ARCHIVE),not found (required: libarchive-dev))' \
		libcrypto '$(or $(HAVE_CRYPTO),not found (required: libssl-dev))' \
		libdeflate '$(or $(HAVE_DEFLATE),not found (required: libdeflate-dev))' \
		spank.h '$(or $(HAVE_SPANK),not found (the plugin needs it: libslurm-dev))' \
		slurm '$(or $(SLURM_RELEASE),none)' \
		cuda '$(if $(HAVE_CUDA),$(CUDA_HOME),no headers: the declarations here are used)' \
		scdoc '$(call found,$(SCDOC))' clang '$(call found,$(CLANG))' \
		valgrind '$(call found,$(VALGRIND))' plugindir '$(plugindir)'

define help_text
make                the plugin, the helpers and the man pages, into build/
make check          the tests that need no GPU; check-fast leaves the clusters out
make demo           the main job on a Slurm cluster of its own, on this machine
make install        DESTDIR= prefix= plugindir= say where; uninstall takes the same
make config         what the build finds on this machine
make clean          removes build/

also: check-unit check-diagnose check-cluster check-corpus CORPUS=DIR check-long
      check-gpu lint fuzz bench
V=debug|asan|tsan|cov   another build, in build/V
CUDA_HOME=DIR       the CUDA toolkit whose headers are used (/usr/local/cuda); none is needed
SLURM_INCLUDE=DIR   build against the Slurm whose headers are DIR/slurm/*.h
endef
help: export help_lines = $(help_text)
help:
	@printf '%s\n' "$$help_lines"

# the line that loads the plugin goes in last and comes out first: Slurm's
# daemons do not start with a line whose file is missing
stock_line = sed 's|@plugindir@|$(plugindir)|' plugstack.conf.d/zz-disagg.conf.in
line       = $(DESTDIR)$(PLUGSTACK_D)/zz-disagg.conf
# the one for the epilog is an example: a site that wants it copies it
epilog_line = sed 's|@plugindir@|$(plugindir)|; s|@bindir@|$(bindir)|' \
	plugstack.conf.d/zz-disagg-epilog.conf.in

install: all
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(datadir)/disagg/configs \
		$(DESTDIR)$(completiondir) $(DESTDIR)$(mandir)
	install -m 755 $(helpers) $(dispatch) $(DESTDIR)$(bindir)
	install -m 644 $(wildcard configs/*.yaml) $(DESTDIR)$(datadir)/disagg/configs
	$(if $(job_script),install -m 755 $(job_script) $(DESTDIR)$(datadir)/disagg)
	for name in $(completed); do \
		install -m 644 scripts/completion/disagg.bash \
			$(DESTDIR)$(completiondir)/$$name || exit 1; \
	done
	for page in $(notdir $(man)); do \
		install -D -m 644 $(B)/man/$$page $(DESTDIR)$(mandir)/man$${page##*.}/$$page || exit 1; \
	done
	$(if $(plugin),install -d $(DESTDIR)$(plugindir) $(DESTDIR)$(PLUGSTACK_D))
	$(if $(plugin),install -m 755 $(plugin) $(epilog) $(filter) $(DESTDIR)$(plugindir))
	$(if $(plugin),[ -e $(line) ] || $(stock_line) >$(line))
	$(if $(epilog),$(epilog_line) >$(DESTDIR)$(datadir)/disagg/zz-disagg-epilog.conf)
	$(say_plugin)

job_script := $(wildcard scripts/disagg-job.sh scripts/prolog-probe.sh \
	scripts/epilog-pack.sh)
completed  := $(notdir $(dispatch) $(helpers))

# an edited line is kept beside, under a name that Slurm does not read
uninstall:
	@if [ -e $(line) ] && ! $(stock_line) | cmp -s - $(line); then \
		mv $(line) $(line).saved && echo "kept, for it was edited: $(line).saved"; \
	fi
	rm -f $(line)
	rm -f $(addprefix $(DESTDIR)$(plugindir)/,disagg.so disagg_epilog.so cli_filter_disagg.so)
	rm -f $(addprefix $(DESTDIR)$(bindir)/,$(notdir $(helpers) $(dispatch)))
	rm -f $(addprefix $(DESTDIR)$(completiondir)/,$(completed))
	rm -rf $(DESTDIR)$(datadir)/disagg
	for page in $(pages); do rm -f $(DESTDIR)$(mandir)/man$${page##*.}/$$page; done

clean:
	rm -rf build

-include $(shell find $(B)/o -name '*.d' 2>/dev/null)
.PHONY: all config help install uninstall clean flags-differ
.SECONDARY:
