/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_SIPHASH_H
#define DISAGG_PROBE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash that cannot be guessed
 * without the key. */
uint64_t disagg_siphash(const unsigned char key[16], const void *bytes, size_t len);

#endif
