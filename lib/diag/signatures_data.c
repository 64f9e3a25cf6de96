/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/signatures_data.h"

/* The path is from where make runs: the root of the tree. */
__asm__(".section .rodata\n"
	".global disagg_signatures_yaml_begin\n"
	".hidden disagg_signatures_yaml_begin\n"
	"disagg_signatures_yaml_begin:\n"
	".incbin \"lib/diag/signatures.yaml\"\n"
	".global disagg_signatures_yaml_end\n"
	".hidden disagg_signatures_yaml_end\n"
	"disagg_signatures_yaml_end:\n"
	".byte 0\n"
	".previous\n");

extern const char disagg_signatures_yaml_begin[], disagg_signatures_yaml_end[];

const char *disagg_signatures_data(size_t *ret_len)
{
	*ret_len = (size_t)(disagg_signatures_yaml_end - disagg_signatures_yaml_begin);
	return disagg_signatures_yaml_begin;
}
