/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_html.h"

/* The path is from the repository's root, where the compiler runs. */
__asm__(".pushsection .rodata\n"
	".hidden report_style\n"
	".global report_style\n"
	"report_style:\n"
	".incbin \"lib/probe/report.css\"\n"
	".byte 0\n"
	".popsection\n");
