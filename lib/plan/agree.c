/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/sizing.h"
#include "lib/base/num.h"
#include <string.h>

enum { NUMBER_BYTES = 24, MOST = 1 << 30 };

static int number(const char *text, size_t len, int64_t *ret)
{
	char copy[NUMBER_BYTES];

	if (len >= sizeof(copy))
		return -1;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return disagg_num_int(copy, 0, MOST, ret);
}

/* "3" or "3-3" */
static int read_range(const char *text, int64_t *ret)
{
	const char *dash = strchr(text, '-');
	int64_t low, high;

	if (!dash)
		return number(text, strlen(text), ret);
	if (number(text, (size_t)(dash - text), &low) < 0 ||
		number(dash + 1, strlen(dash + 1), &high) < 0 || low != high)
		return -1;
	*ret = low;
	return 0;
}

/* One of "4", "h100:4", "gpu:4", "gpu:h100:4", "gpu" (which is one). */
static int read_item(const char *text, size_t len, int64_t *ret)
{
	size_t start = len;

	while (start > 0 && text[start - 1] != ':' && text[start - 1] != '=')
		start--;
	if (number(text + start, len - start, ret) == 0)
		return 0;
	*ret = 1;
	return start == 0 && len == strlen("gpu") && strncmp(text, "gpu", len) == 0 ? 0 : -1;
}

/* Newer releases write "gres/gpu:4" and "gres:gpu:4" too. */
static bool is_gpu(const char *text, size_t len)
{
	size_t skip = strncmp(text, "gres", strlen("gres")) == 0 && len > strlen("gres") &&
				      strchr(":/", text[strlen("gres")])
			      ? strlen("gres:")
			      : 0;
	size_t name = strcspn(text + skip, ":=,");

	return skip + name <= len && name == strlen("gpu") &&
	       strncmp(text + skip, "gpu", name) == 0;
}

/* The GPUs of a list with commas; `gres`: the items of other kinds aside. */
static int read_gpus(const char *text, bool gres, int64_t *ret)
{
	int64_t sum = 0, item;
	bool any = false;

	for (;;) {
		size_t len = strcspn(text, ",");

		if (!gres || is_gpu(text, len)) {
			if (read_item(text, len, &item) < 0)
				return -1;
			sum += item;
			any = true;
		}
		if (!text[len])
			break;
		text += len + 1;
	}
	if (!any)
		return 1;
	*ret = sum;
	return 0;
}

bool disagg_size_agrees(const struct disagg_size *size, const char *given)
{
	bool gres = strcmp(size->option, "gres") == 0;
	bool gpus = gres || strncmp(size->option, "gpus", strlen("gpus")) == 0;
	int64_t ours, theirs;
	int rc;

	if (size->strength == DISAGG_SIZE_DEFAULT)
		return true;
	if (size->strength == DISAGG_SIZE_REFUSE)
		return false;
	if ((gpus ? read_gpus(size->value, gres, &ours) : read_range(size->value, &ours)) != 0)
		return strcmp(size->value, given) == 0;
	rc = gpus ? read_gpus(given, gres, &theirs) : read_range(given, &theirs);
	/* a gres without GPUs says nothing against ours */
	return rc > 0 || (rc == 0 && ours == theirs);
}
