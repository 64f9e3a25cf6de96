/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/wire.h"
#include "lib/plan/wire_text.h"
#include "tests/unit/handplan.h"
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes must encode, and come back equal. */
static void check(struct disagg_arena *arena, const char *text)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_plan *plan = NULL, *again = NULL;
	const char *encoded = NULL, *differs;

	if (disagg_wire_decode(arena, text, &plan, &err) < 0) {
		if (plan || !err.code || !err.text[0])
			abort();
		return;
	}
	/* a longer spelling than ours may take a plan over the limit */
	if (disagg_wire_encode(arena, plan, &encoded, &err) < 0) {
		if (!strstr(err.text, "more than the limit"))
			abort();
		return;
	}
	if (disagg_wire_decode(arena, encoded, &again, &err) < 0)
		abort();
	differs = plan_difference(plan, again);
	if (differs) {
		fprintf(stderr, "differs in %s\n", differs);
		abort();
	}
}

/* The bytes as they are, and as the payload of a good seal: no fuzzer finds a checksum. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	const char *text = disagg_arena_strndup(&arena, (const char *)data, size);
	const char *sealed =
		text ? disagg_arena_printf(&arena, "DISAGG_PLAN=2;%zu;%08x;%s", strlen(text),
			       (unsigned)disagg_wire_crc32(text, strlen(text)), text)
		     : NULL;

	if (text)
		check(&arena, text);
	if (sealed)
		check(&arena, sealed);
	disagg_arena_release(&arena);
	return 0;
}
