# SPDX-License-Identifier: Apache-2.0
# What this machine has.  `make config` prints it.  SLURM_INCLUDE points at
# another Slurm's headers (the folder that holds slurm/spank.h).
PKG_CONFIG ?= pkg-config
pkg = $(shell $(PKG_CONFIG) $(1) 2>/dev/null)

HAVE_YAML := $(call pkg,--modversion yaml-0.1)
YAML_LIBS := $(or $(call pkg,--libs yaml-0.1),-lyaml)
HAVE_JSON := $(call pkg,--modversion json-c)
JSON_LIBS := $(or $(call pkg,--libs json-c),-ljson-c)
PKG_CFLAGS := $(call pkg,--cflags yaml-0.1) $(call pkg,--cflags json-c)
SLURM_INCLUDE ?= /usr/include
HAVE_SPANK := $(if $(wildcard $(SLURM_INCLUDE)/slurm/spank.h),yes)
SLURM_RELEASE := $(shell sed -n 's/.*SLURM_VERSION_STRING "\(.*\)".*/\1/p' \
	$(SLURM_INCLUDE)/slurm/slurm_version.h 2>/dev/null)
ifneq ($(SLURM_INCLUDE),/usr/include)
PKG_CFLAGS += -isystem $(SLURM_INCLUDE)
endif
CLANG    ?= $(shell command -v clang)
SCDOC    ?= $(shell command -v scdoc)
VALGRIND ?= $(shell command -v valgrind)
CORPUS   ?=
