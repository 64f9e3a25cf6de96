/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/arena.h"
#include "lib/base/num.h"
#include "lib/conf/scalar.h"
#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool good)
{
	if (!good)
		abort();
}

/* Success is within the bounds, failure leaves the result alone. */
static void numbers(const char *text)
{
	int64_t value = -77, any = -77;
	double real = -77;

	if (disagg_num_int(text, 1, 64, &value))
		need(value == -77);
	else
		need(value >= 1 && value <= 64);
	if (disagg_num_int(text, INT64_MIN, INT64_MAX, &any))
		need(any == -77 && value == -77);
	if (disagg_num_real(text, &real))
		need(real < -76 && real > -78 && any == -77);
	else
		need(isfinite(real));
}

static void times(const char *text)
{
	int64_t seconds = -77, minutes = -77;

	if (disagg_num_duration(text, &seconds))
		need(seconds == -77);
	else
		need(seconds >= 0);
	if (disagg_num_slurm_time(text, &minutes))
		need(minutes == -77);
	else
		need(minutes >= 0);
}

/* What its JSON says is of the same type and value. */
static void scalar(struct disagg_arena *arena, const char *text)
{
	struct disagg_node node = {.kind = DISAGG_SCALAR, .text = text}, *again = NULL;
	struct disagg_scalar first = disagg_scalar_read(&node), second;
	struct disagg_strbuf json;

	if (first.type == DISAGG_T_STR || first.type == DISAGG_T_NULL)
		return;
	disagg_strbuf_init(&json, 0);
	disagg_node_json(&node, &json);
	need(!disagg_yaml_parse(arena, json.text, json.len, "json", &again, NULL));
	second = disagg_scalar_read(again);
	if (first.type == DISAGG_T_REAL && !isfinite(first.real))
		need(second.type == DISAGG_T_STR);
	else
		need(second.type == first.type && second.integer == first.integer &&
			second.boolean == first.boolean && second.real <= first.real &&
			second.real >= first.real);
	disagg_strbuf_release(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	const char *text = disagg_arena_strndup(&arena, (const char *)data, size);

	if (text) {
		numbers(text);
		times(text);
		scalar(&arena, text);
	}
	disagg_arena_release(&arena);
	return 0;
}
