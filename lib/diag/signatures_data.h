/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_SIGNATURES_DATA_H
#define DISAGG_DIAG_SIGNATURES_DATA_H

#include <stddef.h>

/* The bytes of lib/diag/signatures.yaml, as the program was built with it. */
const char *disagg_signatures_data(size_t *ret_len);

#endif
