# SPDX-License-Identifier: Apache-2.0
# The GPU libraries' stubs that tests run the probes against: build/stubs is what
# LD_LIBRARY_PATH names.  They are built from the project's own declarations.
stub_dir  := $(B)/stubs
stub_libs := $(addprefix $(stub_dir)/,libcuda.so.1 libcublas.so.13 libnvidia-ml.so.1 \
	libnccl.so.2)
stub_obj  := $(call obj,tests/stubs/faults.c tests/stubs/gpus.c) $(B)/libcore.a
# a driver that is too old for the probes: one function is missing
stub_old  := $(stub_dir)/old/libcuda.so.1

stub_link = $(CC) -shared $(all_cflags) $(all_ldflags) -Wl,-soname,$(@F) -o $@

$(stub_dir)/libcuda.so.1: $(call obj,tests/stubs/cuda.c tests/stubs/cuda_memory.c) $(stub_obj)
	@mkdir -p $(@D)
	$(stub_link) $^ -lm

$(stub_old): $(call obj,tests/stubs/cuda.c tests/stubs/cuda_memory.c) $(stub_obj) tests/stubs/old.map
	@mkdir -p $(@D)
	$(stub_link) -Wl,--version-script=tests/stubs/old.map $(filter-out %.map,$^) -lm

$(stub_dir)/libnvidia-ml.so.1: $(call obj,tests/stubs/nvml.c tests/stubs/nvml_link.c) $(stub_obj)
	@mkdir -p $(@D)
	$(stub_link) $^ -lm

# these find the driver's stub beside them
$(stub_dir)/libcublas.so.13: $(call obj,tests/stubs/cublas.c) $(stub_obj) $(stub_dir)/libcuda.so.1
	@mkdir -p $(@D)
	$(stub_link) -Wl,-rpath,'$$ORIGIN' $^ -lm

$(stub_dir)/libnccl.so.2: $(call obj,$(addprefix tests/stubs/nccl,.c _group.c _hub.c _bytes.c \
		_model.c)) $(stub_obj) $(stub_dir)/libcuda.so.1
	@mkdir -p $(@D)
	$(stub_link) -Wl,-rpath,'$$ORIGIN' $^ -lm -lpthread

stubs: $(stub_libs) $(stub_old)
tests-built: stubs
.PHONY: stubs
