/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/ucp.h"

#include "lib/probe/library.h"

#define ROW(field, symbol, result, params)                                                         \
	{.name = #symbol, .offset = offsetof(struct disagg_ucp, field)},
static const struct disagg_symbol symbols[] = {DISAGG_UCP_FUNCTIONS(ROW)};

int disagg_ucp_open(struct disagg_ucp *ucp, struct disagg_err *err)
{
	static const char *const names[] = {"libucp.so.0", NULL};
	struct disagg_ucp found = {0};
	unsigned release;

	if (disagg_library_open(names, &found.library, err) < 0)
		return -1;
	if (disagg_library_fill(
		    found.library, &found, symbols, sizeof(symbols) / sizeof(*symbols), err) < 0)
		return disagg_err_set(err, DISAGG_SKIPPED, "UCX on this node is older than %d.%d",
			DISAGG_UCP_MAJOR, DISAGG_UCP_MINOR);
	found.get_version(&found.major, &found.minor, &release);
	*ucp = found;
	return 0;
}
