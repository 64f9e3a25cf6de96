/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/nccl.h"

#include "lib/probe/library.h"
#include <stdio.h>
#include <string.h>

#define ROW(field, symbol, params)  DISAGG_SYMBOL(struct disagg_nccl, field, #symbol, false),
#define RESULT_NAME(name, value)    {#name, (value)},
#define OLDEST			    2700
#define COUNTED_IN_TEN_THOUSANDS(v) ((v) >= 10000) /* since 2.9 */

static const struct disagg_symbol symbols[] = {
	/* clang-format off */
	DISAGG_NCCL_FUNCTIONS(ROW)
	DISAGG_SYMBOL(struct disagg_nccl, error_string, "ncclGetErrorString", false),
	DISAGG_SYMBOL(struct disagg_nccl, last_error, "ncclGetLastError", true),
	/* clang-format on */
};

static const struct {
	const char *name;
	int value;
} results[] = {DISAGG_NCCL_RESULTS(RESULT_NAME)};

int disagg_nccl_check(const struct disagg_nccl *nccl, ncclResult_t result, ncclComm_t comm,
	const char *what, struct disagg_err *err)
{
	const char *name = "unknown result", *last = NULL;

	if (result == ncclSuccess)
		return 0;
	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++)
		if (results[i].value == (int)result)
			name = results[i].name;
	if (nccl->last_error)
		last = nccl->last_error(comm);
	if (!last || !*last)
		return disagg_err_set(err, DISAGG_SYSTEM, "%s: %d %s: %s", what, (int)result, name,
			nccl->error_string(result));
	return disagg_err_set(err, DISAGG_SYSTEM, "%s: %d %s: %s: %s", what, (int)result, name,
		nccl->error_string(result), last);
}

int disagg_nccl_open(struct disagg_nccl *ret, struct disagg_err *err)
{
	static const char *const names[] = {"libnccl.so.2", NULL};
	struct disagg_nccl nccl = {.library = NULL};
	char text[16];

	if (disagg_library_open(names, &nccl.library, err) != 0)
		return disagg_err_wrap(err, "no NCCL");
	if (disagg_library_fill(
		    nccl.library, &nccl, symbols, sizeof(symbols) / sizeof(*symbols), err) != 0)
		return disagg_err_wrap(err, "NCCL is older than 2.7");
	if (disagg_nccl_check(
		    &nccl, nccl.get_version(&nccl.version), NULL, "ncclGetVersion", err) != 0)
		return -1;
	if (nccl.version < OLDEST)
		return disagg_err_set(err, DISAGG_MISSING, "NCCL is %s, and 2.7 or later is needed",
			disagg_nccl_version_text(nccl.version, text));
	*ret = nccl;
	return 0;
}

const char *disagg_nccl_version_text(int version, char buf[16])
{
	int unit = COUNTED_IN_TEN_THOUSANDS(version) ? 10000 : 1000;

	snprintf(buf, 16, "%d.%d.%d", version / unit % 1000, version % unit / 100, version % 100);
	return buf;
}

/* ---- unique ids ---- */

void disagg_nccl_id_put(const ncclUniqueId *id, char hex[DISAGG_NCCL_ID_HEX])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < NCCL_UNIQUE_ID_BYTES; i++) {
		unsigned char byte = (unsigned char)id->internal[i];

		hex[2 * i] = digits[byte >> 4];
		hex[2 * i + 1] = digits[byte & 15];
	}
	hex[DISAGG_NCCL_ID_HEX - 1] = '\0';
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int disagg_nccl_id_read(const char *hex, ncclUniqueId *ret, struct disagg_err *err)
{
	ncclUniqueId id;

	if (!hex || strlen(hex) != DISAGG_NCCL_ID_HEX - 1)
		return disagg_err_set(err, DISAGG_INVALID, "no NCCL id: %d hex digits are one",
			DISAGG_NCCL_ID_HEX - 1);
	for (size_t i = 0; i < NCCL_UNIQUE_ID_BYTES; i++) {
		int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return disagg_err_set(err, DISAGG_INVALID,
				"no NCCL id: '%.2s' are no hex digits", hex + 2 * i);
		id.internal[i] = (char)(high << 4 | low);
	}
	*ret = id;
	return 0;
}
