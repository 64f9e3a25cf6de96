/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/reference_data.h"

/* The path is from the repository's root, where the compiler runs. */
__asm__(".pushsection .rodata\n"
	".hidden disagg_reference_yaml\n"
	".hidden disagg_reference_yaml_end\n"
	".global disagg_reference_yaml\n"
	".global disagg_reference_yaml_end\n"
	"disagg_reference_yaml:\n"
	".incbin \"lib/probe/reference.yaml\"\n"
	"disagg_reference_yaml_end:\n"
	".byte 0\n"
	".popsection\n");
