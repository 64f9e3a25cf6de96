/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The project's own declarations of NCCL against the toolkit's: where they
 * differ this file does not compile.  And what is read and written without a
 * library: versions and ids.
 */
#include "lib/probe/nccl.h"

#include "tests/unit/tap.h"

#ifdef DISAGG_HAVE_NCCL
#define SAME_VALUE(name, value) _Static_assert((int)(name) == (value), #name);
#define SAME_FUNCTION(field, symbol, params)                                                       \
	_Static_assert(                                                                            \
		__builtin_types_compatible_p(__typeof__(symbol), ncclResult_t params), #symbol);

DISAGG_NCCL_RESULTS(SAME_VALUE)
DISAGG_NCCL_TYPES(SAME_VALUE)
DISAGG_NCCL_OPERATIONS(SAME_VALUE)
DISAGG_NCCL_FUNCTIONS(SAME_FUNCTION)
_Static_assert(__builtin_types_compatible_p(ncclComm_t, struct ncclComm *), "ncclComm_t");
_Static_assert(
	__builtin_types_compatible_p(__typeof__(ncclGetErrorString), const char *(ncclResult_t)),
	"ncclGetErrorString");
_Static_assert(__builtin_types_compatible_p(__typeof__(ncclGetLastError), const char *(ncclComm_t)),
	"ncclGetLastError");
#endif
_Static_assert(sizeof(ncclUniqueId) == 128, "an id is passed by value");
_Static_assert(sizeof(ncclResult_t) == sizeof(int) && sizeof(ncclDataType_t) == sizeof(int) &&
		       sizeof(ncclRedOp_t) == sizeof(int),
	"an enum is passed as an int");

static void test_versions(void)
{
	static const struct {
		int version;
		const char *text;
	} rows[] = {{22809, "2.28.9"}, {21805, "2.18.5"}, {2708, "2.7.8"}, {2804, "2.8.4"},
		{20908, "2.9.8"}};
	char buf[16];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		is_str(disagg_nccl_version_text(rows[i].version, buf), rows[i].text, rows[i].text);
}

static void test_ids(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	ncclUniqueId id, back;
	char hex[DISAGG_NCCL_ID_HEX];

	for (size_t i = 0; i < sizeof(id.internal); i++)
		id.internal[i] = (char)(i * 7 + 200);
	disagg_nccl_id_put(&id, hex);
	is_int((intmax_t)strlen(hex), 256, "an id is 256 digits");
	ok(disagg_nccl_id_read(hex, &back, &err) == 0 && memcmp(&id, &back, sizeof(id)) == 0,
		"and is the same when read");
	ok(disagg_nccl_id_read("00ff", &back, &err) == -1, "a short one is refused");
	is_int(err.code, DISAGG_INVALID, "as a result that means nothing");
	hex[17] = 'g';
	ok(disagg_nccl_id_read(hex, &back, &err) == -1, "so is one with other letters");
	has_str(err.text, "g'", "which are named");
	ok(disagg_nccl_id_read(NULL, &back, &err) == -1, "so is none");
}

int main(void)
{
#ifdef DISAGG_HAVE_NCCL
	ok(true, "the declarations are the toolkit's");
#else
	tap_count++;
	printf("ok 1 - the declarations are the toolkit's # SKIP no nccl.h in CUDA_HOME\n");
#endif
	test_versions();
	test_ids();
	return tap_done();
}
