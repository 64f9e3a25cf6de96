/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_LITERALS_H
#define DISAGG_DIAG_LITERALS_H

#include <stdbool.h>

/*
 * Words that a regular expression cannot match without: whoever searches for
 * them finds each line that the expression could match.  This is what makes a
 * scan with hundreds of expressions as fast as a search for words (the idea is
 * that of RE2's FilteredRE2).
 */
#define DISAGG_LITERAL_MAX   32u /* bytes of a word */
#define DISAGG_LITERAL_MIN   3u
#define DISAGG_LITERALS_MOST 48u /* words of one expression */

struct disagg_literals {
	unsigned count;
	unsigned weight; /* of the commonest: its bytes, and one more where not all are letters */
	char word[DISAGG_LITERALS_MOST][DISAGG_LITERAL_MAX + 1];
};

/*
 * Each match of `pattern` contains at least one of the words, in lower case.
 * Of the sets that it could give, that whose commonest word is rarest, going by
 * the weight.  False
 * where there is none of words of DISAGG_LITERAL_MIN bytes, or where the
 * expression nests deeper than 16.  The syntax is PCRE's without look-around,
 * inline options and back references.
 */
bool disagg_literals_of(const char *pattern, struct disagg_literals *ret);

#endif
