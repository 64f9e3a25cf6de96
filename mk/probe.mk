# SPDX-License-Identifier: Apache-2.0
# What this machine has.  `make config` prints it.  SLURM_INCLUDE points at
# another Slurm's headers (the folder that holds slurm/spank.h).
PKG_CONFIG ?= pkg-config
pkg = $(shell $(PKG_CONFIG) $(1) 2>/dev/null)

HAVE_YAML := $(call pkg,--modversion yaml-0.1)
YAML_LIBS := $(or $(call pkg,--libs yaml-0.1),-lyaml)
# for what runs inside an engine's container, which may not have the library
YAML_STATIC := $(or $(wildcard $(call pkg,--variable=libdir yaml-0.1)/libyaml.a),$(YAML_LIBS))
HAVE_JSON := $(call pkg,--modversion json-c)
JSON_LIBS := $(or $(call pkg,--libs json-c),-ljson-c)
HAVE_CURL := $(call pkg,--modversion libcurl)
HAVE_HWLOC := $(call pkg,--modversion hwloc)
HAVE_MICROHTTPD := $(call pkg,--modversion libmicrohttpd)
# hyperscan; vectorscan of other machines is called the same
HAVE_HS := $(call pkg,--modversion libhs)
HAVE_PCRE2 := $(call pkg,--modversion libpcre2-8)
DIAG_LIBS := $(or $(call pkg,--libs libhs),-lhs) $(or $(call pkg,--libs libpcre2-8),-lpcre2-8)
HAVE_ARCHIVE := $(call pkg,--modversion libarchive)
HAVE_CRYPTO := $(call pkg,--modversion libcrypto)
HAVE_DEFLATE := $(call pkg,--modversion libdeflate)
PACK_LIBS := $(or $(call pkg,--libs libarchive),-larchive) \
	$(or $(call pkg,--libs libcrypto),-lcrypto) $(or $(call pkg,--libs libdeflate),-ldeflate)
HOST_LIBS := $(if $(HAVE_CURL),$(call pkg,--libs libcurl)) \
	$(if $(HAVE_MICROHTTPD),$(call pkg,--libs libmicrohttpd)) $(JSON_LIBS) $(DIAG_LIBS) \
	$(PACK_LIBS) -ldl
PKG_CFLAGS := $(call pkg,--cflags yaml-0.1) $(call pkg,--cflags json-c) $(call pkg,--cflags hwloc)
SLURM_INCLUDE ?= /usr/include
HAVE_SPANK := $(if $(wildcard $(SLURM_INCLUDE)/slurm/spank.h),yes)
HAVE_CC    := $(shell command -v $(firstword $(CC)))
# 0x160508 reads 22.05.8
SLURM_RELEASE := $(shell n=$$(sed -n 's/^.define SLURM_VERSION_NUMBER *//p' \
	$(SLURM_INCLUDE)/slurm/slurm_version.h 2>/dev/null); \
	[ -z "$$n" ] || printf '%d.%02d.%d' $$((n >> 16)) $$((n >> 8 & 255)) $$((n & 255)))
ifneq ($(SLURM_INCLUDE),/usr/include)
PKG_CFLAGS += -isystem $(SLURM_INCLUDE)
endif
# the GPU libraries are loaded at run time; their headers are used where they are
CUDA_HOME ?= /usr/local/cuda
HAVE_CUDA := $(and $(wildcard $(CUDA_HOME)/include/cuda.h), \
	$(wildcard $(CUDA_HOME)/include/cublas_v2.h),yes)
HAVE_NCCL := $(if $(HAVE_CUDA),$(if $(wildcard $(CUDA_HOME)/include/nccl.h),yes))
ifeq ($(HAVE_CUDA),yes)
CUDA_CFLAGS := -isystem $(CUDA_HOME)/include -DDISAGG_HAVE_CUDA $(if $(HAVE_NCCL),-DDISAGG_HAVE_NCCL)
endif
# few toolkits have nvml.h: with NVML_INCLUDE=DIR a test compares it
NVML_INCLUDE ?= $(CUDA_HOME)/include
NVML_CFLAGS := $(if $(wildcard $(NVML_INCLUDE)/nvml.h),-isystem $(NVML_INCLUDE) -DDISAGG_HAVE_NVML)
CLANG    ?= $(shell command -v clang)
SCDOC    ?= $(shell command -v scdoc)
VALGRIND ?= $(shell command -v valgrind)
CORPUS   ?=

# said at once where something is built; `make config` tells it all
ifneq ($(or $(if $(MAKECMDGOALS),,all),$(filter-out config help clean uninstall,$(MAKECMDGOALS))),)
ifeq ($(HAVE_CC),)
$(error the compiler '$(CC)' is not there: install gcc, or say CC=)
endif
ifeq ($(HAVE_SPANK)$(filter file,$(origin SLURM_INCLUDE)),)
$(error SLURM_INCLUDE: there is no '$(SLURM_INCLUDE)/slurm/spank.h')
endif
endif
