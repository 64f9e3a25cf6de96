/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/pack.h"

/* The member `index` of the archive has so many more. */
static void note(struct pack_run *run, size_t index, uint64_t count)
{
	struct pack_masked *last = run->masked_count ? &run->masked[run->masked_count - 1] : NULL;
	struct pack_masked *grown;

	if (count == 0)
		return;
	if (last && last->member == index) {
		last->count += count;
		return;
	}
	if (run->masked_count == run->masked_room) {
		size_t room = run->masked_room ? run->masked_room * 2 : 64;

		grown = disagg_arena_grow(
			&run->pack->arena, run->masked, run->masked_count, room, sizeof(*grown));
		if (!grown)
			return; /* the kinds are counted all the same */
		run->masked = grown;
		run->masked_room = room;
	}
	run->masked[run->masked_count++] = (struct pack_masked){index, count};
}

static uint64_t total(const struct pack_run *run)
{
	uint64_t sum = 0;

	for (int kind = 0; kind < DISAGG_SECRET_COUNT; kind++)
		sum += disagg_redactor_count(run->redactor, (enum disagg_secret)kind);
	return sum;
}

static size_t members(const struct pack_run *run)
{
	const struct disagg_bundle_member *member;

	return disagg_bundle_members(run->bundle, &member);
}

/* The member that is being written is the last of them. */
static size_t filter(void *context, char *bytes, size_t len, bool last)
{
	struct pack_run *run = context;
	uint64_t before = total(run);
	size_t done = disagg_redact(run->redactor, bytes, len, last);

	note(run, members(run) - 1, total(run) - before);
	return done;
}

void pack_mask_text(struct pack_run *run, char *text, size_t len)
{
	uint64_t before = total(run);

	disagg_redact(run->redactor, text, len, true);
	note(run, members(run), total(run) - before);
}

int pack_mask_begin(struct pack_run *run, struct disagg_err *err)
{
	disagg_redactor_free(run->redactor);
	run->redactor = NULL;
	run->masked_count = 0;
	run->mask = (struct disagg_bundle_filter){.take = filter, .context = run};
	return disagg_redactor_new(&run->redactor, err);
}

void pack_mask_end(struct pack_run *run)
{
	disagg_redactor_free(run->redactor);
	run->redactor = NULL;
}
