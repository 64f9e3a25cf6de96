/* SPDX-License-Identifier: Apache-2.0 */
#include "spank/ask.h"
#include <string.h>

void disagg_ask_open(struct disagg_ask *ask, void *opt, bool typed_only)
{
	if (!ask->open)
		ask->open = disagg_hostopt_open(&ask->host, opt);
	ask->typed_only = typed_only;
}

void disagg_ask_close(struct disagg_ask *ask)
{
	disagg_hostopt_close(&ask->host);
	*ask = (struct disagg_ask){0};
}

static bool is_given(const struct disagg_ask *ask, const char *option)
{
	return ask->typed_only ? disagg_hostopt_typed(&ask->host, option)
			       : disagg_hostopt_isset(&ask->host, option);
}

/* Neither typed since (the mark tells) nor replaced. */
static bool still_ours(const struct disagg_ask *ask, struct disagg_arena *arena, unsigned i)
{
	const char *option = ask->sizing.v[i].option;
	const char *now;

	if (ask->asked[i].owner != DISAGG_OURS || disagg_hostopt_typed(&ask->host, option))
		return false;
	now = disagg_hostopt_get(&ask->host, arena, option);
	return now && strcmp(now, ask->asked[i].set) == 0;
}

void disagg_ask_drop(struct disagg_ask *ask, struct disagg_arena *arena)
{
	for (unsigned i = 0; ask->asked && i < ask->sizing.count; i++) {
		if (still_ours(ask, arena, i))
			disagg_hostopt_reset(&ask->host, ask->sizing.v[i].option);
	}
	ask->asked = NULL;
	ask->sizing = (struct disagg_sizing){0};
}

/* Slurm takes one of these alone; the user's is the one that counts. */
static bool has_rival(const struct disagg_ask *ask, const char *option)
{
	static const struct {
		const char *option, *rival;
	} rows[] = {
		{"mem", "mem-per-cpu"},
		{"mem", "mem-per-gpu"},
		{"mem-per-cpu", "mem"},
		{"mem-per-cpu", "mem-per-gpu"},
		{"mem-per-gpu", "mem"},
		{"mem-per-gpu", "mem-per-cpu"},
		{"exclusive", "oversubscribe"},
		{"overlap", "exclusive"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(option, rows[i].option) == 0 && is_given(ask, rows[i].rival))
			return true;
	}
	return false;
}

/* A rival in SBATCH_MEM_PER_CPU comes after our #SBATCH line, and Slurm ends
 * sbatch where it meets our memory; srun may be told --exclusive after the role.
 * Such an option is asked for when all is known. */
static bool is_late(const struct disagg_size *size)
{
	return size->strength == DISAGG_SIZE_DEFAULT &&
	       (strncmp(size->option, "mem", 3) == 0 || strcmp(size->option, "overlap") == 0);
}

static void put_one(const struct disagg_ask *ask, struct disagg_arena *arena, unsigned i,
	struct disagg_findings *found)
{
	const struct disagg_size *size = &ask->sizing.v[i];
	struct disagg_asked *asked = &ask->asked[i];

	if (is_given(ask, size->option)) {
		asked->owner = DISAGG_USERS;
		return;
	}
	if (size->strength != DISAGG_SIZE_PLAN && size->strength != DISAGG_SIZE_DEFAULT)
		return;
	if (has_rival(ask, size->option))
		return;
	if (!disagg_hostopt_known(&ask->host, size->option)) {
		if (size->strength == DISAGG_SIZE_PLAN)
			disagg_findings_error(found, &size->at,
				"this release of Slurm has no option --%s, which is needed for %s",
				size->option, size->why);
		return;
	}
	if (disagg_hostopt_set(&ask->host, size->option, size->value)) {
		disagg_findings_error(found, &size->at, "Slurm does not accept --%s=%s",
			size->option, size->value);
		return;
	}
	asked->set = disagg_hostopt_get(&ask->host, arena, size->option);
	if (asked->set)
		asked->owner = DISAGG_OURS;
}

static void refuse(const struct disagg_ask *ask, const struct disagg_size *size, const char *theirs,
	struct disagg_findings *found)
{
	const char *where =
		disagg_hostopt_typed(&ask->host, size->option) ? "" : " (from the environment)";

	if (size->strength == DISAGG_SIZE_REFUSE)
		disagg_findings_error(found, &size->at, "--%s=%s%s has no place here: %s%s%s",
			size->option, theirs, where, size->why, size->advice ? "; say " : "",
			size->advice ? size->advice : "");
	else
		disagg_findings_error(found, &size->at,
			"--%s=%s%s contradicts the configuration, which gives %s: %s; "
			"leave the option out or change the file",
			size->option, theirs, where, size->value, size->why);
}

/* Slurm ends the program where some of these meet ours, and drops others with a
 * warning, before we could say why; a job that will be refused needs no size. */
static bool refuse_hopeless(
	const struct disagg_ask *ask, struct disagg_arena *arena, struct disagg_findings *found)
{
	bool hopeless = false;

	for (unsigned i = 0; i < ask->sizing.count; i++) {
		const struct disagg_size *size = &ask->sizing.v[i];
		const char *now;

		if (size->strength != DISAGG_SIZE_REFUSE || !is_given(ask, size->option))
			continue;
		now = disagg_hostopt_get(&ask->host, arena, size->option);
		refuse(ask, size, now ? now : "", found);
		ask->asked[i].owner = DISAGG_USERS;
		hopeless = true;
	}
	return hopeless;
}

void disagg_ask_put(struct disagg_ask *ask, struct disagg_arena *arena,
	const struct disagg_sizing *sizing, struct disagg_findings *found)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	ask->asked = disagg_arena_array(arena, sizing->count + 1, sizeof(*ask->asked));
	if (!ask->asked) {
		disagg_err_nomem(&err);
		disagg_findings_take(found, &err);
		return;
	}
	ask->sizing = *sizing;
	if (refuse_hopeless(ask, arena, found) || ask->look_only)
		return;
	for (unsigned i = 0; i < sizing->count; i++) {
		if (!is_late(&sizing->v[i]))
			put_one(ask, arena, i, found);
	}
}

/* Ours, and not typed since; in sbatch the environment may have come between. */
static void check_ours(
	const struct disagg_ask *ask, unsigned i, const char *now, struct disagg_findings *found)
{
	const struct disagg_size *size = &ask->sizing.v[i];

	if (ask->typed_only || strcmp(now, ask->asked[i].set) == 0 ||
		!disagg_hostopt_isset(&ask->host, size->option))
		return;
	/* CR_PACK_NODES makes a range of a number that has the environment's mark */
	if (strcmp(size->option, "nodes") == 0)
		(void)disagg_hostopt_set(&ask->host, size->option, size->value);
	else if (!disagg_size_agrees(size, now))
		refuse(ask, size, now, found);
}

static bool user_gives(const char *option, void *context)
{
	const struct disagg_ask *ask = context;

	return ask->open && is_given(ask, option);
}

void disagg_ask_missing(struct disagg_ask *ask, struct disagg_findings *found)
{
	(void)disagg_sizing_missing(&ask->sizing, user_gives, ask, found);
}

void disagg_ask_check(
	const struct disagg_ask *ask, struct disagg_arena *arena, struct disagg_findings *found)
{
	for (unsigned i = 0; ask->asked && i < ask->sizing.count; i++) {
		const struct disagg_size *size = &ask->sizing.v[i];
		const char *now = disagg_hostopt_get(&ask->host, arena, size->option);
		bool ours = ask->asked[i].owner == DISAGG_OURS;

		/* one that put refused has been reported */
		if (!now || (size->strength == DISAGG_SIZE_REFUSE &&
				    ask->asked[i].owner == DISAGG_USERS))
			continue;
		if (ours && !disagg_hostopt_typed(&ask->host, size->option))
			check_ours(ask, i, now, found);
		else if ((ours || is_given(ask, size->option)) && !disagg_size_agrees(size, now))
			refuse(ask, size, now, found);
	}
	for (unsigned i = 0; ask->asked && i < ask->sizing.count && !found->errors; i++) {
		if (!ask->look_only && is_late(&ask->sizing.v[i]))
			put_one(ask, arena, i, found);
	}
}

/* ---- what the user says by another option, or leaves to Slurm's one ---- */

bool disagg_ask_lacks(const struct disagg_ask *ask)
{
	static const struct {
		const char *option, *instead[2], *unsaid;
	} rows[] = {
		{"nodes", {NULL}, "1"},
		{"ntasks-per-node", {"ntasks"}, "1"},
		{"gpus-per-node", {"gpus", "gres"}, NULL},
	};

	for (unsigned i = 0; ask->asked && i < ask->sizing.count; i++) {
		const struct disagg_size *size = &ask->sizing.v[i];

		if (size->strength != DISAGG_SIZE_PLAN || is_given(ask, size->option))
			continue;
		for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
			bool said = rows[r].unsaid && strcmp(size->value, rows[r].unsaid) == 0;

			if (strcmp(size->option, rows[r].option) != 0)
				continue;
			for (unsigned k = 0; k < 2 && rows[r].instead[k]; k++)
				said = said || is_given(ask, rows[r].instead[k]);
			if (!said)
				return true;
		}
	}
	return false;
}

/* ---- what a dry run shows ---- */

/* Of the user's alone; those that a sizing may have are in its rows. */
static const char *const shown[] = {"account", "partition", "qos", "reservation", "time",
	"constraint", "job-name", "nodelist", "exclude", "mem", "mem-per-cpu", "mem-per-gpu",
	"cpus-per-gpu", "exclusive", "dependency", "begin", "array"};

static bool has_row(const struct disagg_sizing *sizing, const char *option)
{
	for (unsigned i = 0; i < sizing->count; i++) {
		if (strcmp(sizing->v[i].option, option) == 0)
			return true;
	}
	return false;
}

/* Slurm gives "gres:gpu:4,gres:x:1" back, or with "/", for "gpu:4,x:1". */
static void drop_kind(char *value)
{
	char *to = value;

	for (const char *from = value; *from;) {
		size_t len = strcspn(from, ",");

		if (strncmp(from, "gres:", 5) == 0 || strncmp(from, "gres/", 5) == 0) {
			from += 5;
			len -= 5;
		}
		len += from[len] == ',';
		memmove(to, from, len);
		to += len;
		from += len;
	}
	*to = '\0';
}

static int show_theirs(
	const struct disagg_ask *ask, struct disagg_arena *arena, struct disagg_size *size)
{
	char *now;

	size->strength = DISAGG_SIZE_DEFAULT;
	/* a flag has no word but its name */
	if (size->value && !size->value[0])
		return 0;
	now = disagg_hostopt_get(&ask->host, arena, size->option);
	if (!now)
		return -1;
	if (strcmp(size->option, "gres") == 0)
		drop_kind(now);
	size->value = now;
	return 0;
}

int disagg_ask_result(
	const struct disagg_ask *ask, struct disagg_arena *arena, struct disagg_sizing *ret)
{
	struct disagg_sizing sizing = ask->sizing;
	size_t more = sizeof(shown) / sizeof(shown[0]);

	if (!ask->open || !ask->asked)
		return 0;
	sizing.v = disagg_arena_grow(
		arena, ask->sizing.v, sizing.count, sizing.count + more, sizeof(*sizing.v));
	if (!sizing.v)
		return -1;
	for (unsigned i = 0; i < ask->sizing.count; i++) {
		struct disagg_size *size = &sizing.v[i];

		if (still_ours(ask, arena, i))
			continue;
		if (!disagg_hostopt_isset(&ask->host, size->option))
			size->strength = DISAGG_SIZE_CHECK;
		else if (show_theirs(ask, arena, size))
			return -1;
	}
	for (size_t i = 0; i < more; i++) {
		struct disagg_size size = {.option = shown[i]};

		if (has_row(&sizing, shown[i]) || !disagg_hostopt_known(&ask->host, shown[i]) ||
			!disagg_hostopt_isset(&ask->host, shown[i]))
			continue;
		if (show_theirs(ask, arena, &size))
			return -1;
		sizing.v[sizing.count++] = size;
	}
	*ret = sizing;
	return 0;
}
