/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every command of every variant of the srtctl corpus against what srtctl
 * starts (CORPUS/srtctl/expected-commands.json): workers, frontends, routers,
 * nginx and clients; the program, each flag by its last value, repeated list
 * flags as sets, a client's words by their place, each variable of the
 * environment.  There "n000" is the first node of
 * the job.  What differs on purpose is a row of command-differences.tsv; a
 * difference without a row fails.
 *
 *     srtctl_commands [--without=ROW]    leave one row of the file out
 */
#include "lib/base/strbuf.h"
#include "tests/unit/tap.h"
#include <ctype.h>
#include <fnmatch.h>
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES_A_CALL 100u
#define MOST_ROWS    40u
#define ABSENT	     "-"
#define CELLS	     6

static const char *corpus, *build, *source;

/* ---- JSON ---- */

static struct json_object *get(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return value;
}

static const char *text(struct json_object *object, const char *key)
{
	struct json_object *value = get(object, key);

	return value ? json_object_get_string(value) : "";
}

static size_t length(struct json_object *list)
{
	return list ? json_object_array_length(list) : 0;
}

static struct json_object *at(struct json_object *list, size_t i)
{
	return json_object_array_get_idx(list, i);
}

static const char *word(struct json_object *list, size_t i)
{
	return json_object_get_string(at(list, i));
}

static char *copy_of(const char *from)
{
	char *copy = strdup(from);

	if (!copy)
		exit(5);
	return copy;
}

/* ---- what differs on purpose ---- */

enum cell { STEP, PROGRAM, NAME, THEIRS, OURS, REASON };

static struct row {
	char *line;
	const char *cell[CELLS];
	unsigned matched;
} row[MOST_ROWS + 1];
static unsigned rows;

static bool split_row(struct row *to, char *line)
{
	char *next = line;

	to->line = line;
	for (int i = 0; i < CELLS; i++) {
		if (!next)
			return false;
		to->cell[i] = next;
		next = strchr(next, '\t');
		if (next)
			*next++ = '\0';
	}
	return !next && to->cell[REASON][0];
}

static void read_rows(void)
{
	char path[1024], line[2048];
	bool good = true;
	FILE *file;

	snprintf(path, sizeof(path), "%s/tests/corpus/command-differences.tsv", source);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (!line[0] || line[0] == '#')
			continue;
		good = good && rows < MOST_ROWS && split_row(&row[rows], copy_of(line));
		if (!good)
			break;
		rows++;
	}
	if (file)
		fclose(file);
	ok(file && good, "command-differences.tsv has at most 40 rows of six cells");
}

/* ---- the differences that there are ---- */

static struct difference {
	char *cell[CELLS - 1];
	char *first; /* variant and step that showed it */
	unsigned count;
} * difference;
static unsigned differences, room;
static bool bad_variant; /* the one at hand has a difference without a row */

static struct difference *find_difference(const char *const *cell)
{
	for (unsigned i = differences; i-- > 0;) {
		bool same = true;

		for (int k = 0; k < CELLS - 1 && same; k++)
			same = strcmp(difference[i].cell[k], cell[k]) == 0;
		if (same)
			return &difference[i];
	}
	return NULL;
}

static int explained_by(const struct difference *one, int without);

static void differs(const char *const *cell, const char *where)
{
	struct difference *found = find_difference(cell);

	if (!found) {
		if (differences == room) {
			room = room ? room * 2 : 256;
			difference = realloc(difference, room * sizeof(*difference));
			if (!difference)
				exit(5);
		}
		found = &difference[differences++];
		memset(found, 0, sizeof(*found));
		for (int k = 0; k < CELLS - 1; k++)
			found->cell[k] = copy_of(cell[k]);
		found->first = copy_of(where);
	}
	found->count++;
	bad_variant = bad_variant || explained_by(found, -1) < 0;
}

static bool explains(const struct row *by, const struct difference *one)
{
	for (int k = 0; k < CELLS - 1; k++) {
		if (fnmatch(by->cell[k], one->cell[k], 0) != 0)
			return false;
	}
	return true;
}

/* The row that explains a difference, or -1; `without` is not asked. */
static int explained_by(const struct difference *one, int without)
{
	for (unsigned i = 0; i < rows; i++) {
		if ((int)i != without && explains(&row[i], one))
			return (int)i;
	}
	return -1;
}

/* Differences that no row explains. */
static unsigned unexplained(int without)
{
	unsigned count = 0;

	for (unsigned i = 0; i < differences; i++)
		count += explained_by(&difference[i], without) < 0;
	return count;
}

/* ---- a step's words in one form ---- */

static bool is_word_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* "n012" that stands alone: 3 digits behind an n. */
static bool is_node(const char *begin, const char *c)
{
	if (*c != 'n' || (c > begin && is_word_byte(c[-1])))
		return false;
	for (int i = 1; i <= 3; i++) {
		if (!isdigit((unsigned char)c[i]))
			return false;
	}
	return !is_word_byte(c[4]);
}

/* "<ip:n001>" is "<ip:1>", "n001" is "<host:1>", their output folder is ours. */
static void normalise(const char *from, struct disagg_strbuf *ret)
{
	static const char *const folders[] = {"$TD/out/logs/", "/logs/"};

	disagg_strbuf_clear(ret);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (strncmp(from, folders[i], strlen(folders[i])) == 0) {
			disagg_strbuf_puts(ret, "<run_dir>/");
			from += strlen(folders[i]);
			break;
		}
	}
	for (const char *c = from; *c; c++) {
		bool ip = strncmp(c, "<ip:n", 5) == 0;

		if (ip || is_node(from, c)) {
			int number = atoi(c + (ip ? 5 : 1));

			disagg_strbuf_printf(ret, ip ? "<ip:%d>" : "<host:%d>", number);
			c += ip ? 8 : 3;
		} else {
			disagg_strbuf_putc(ret, *c);
		}
	}
}

/* A variable stands in their script as the shell reads it. */
static void unquote(const char *from, struct disagg_strbuf *ret)
{
	size_t len = strlen(from);

	disagg_strbuf_clear(ret);
	if (len > 1 && from[0] == '\'' && from[len - 1] == '\'')
		disagg_strbuf_add(ret, from + 1, len - 2);
	else
		disagg_strbuf_puts(ret, from);
}

/* ---- argv to flags ---- */

/* Lists that are given a piece at a time: order does not count. */
static bool is_set(const char *flag)
{
	static const char *const sets[] = {"--prefill", "--decode", "--worker-urls"};

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		if (strcmp(sets[i], flag) == 0)
			return true;
	}
	return false;
}

static bool is_flag(const char *arg, bool short_too)
{
	return strncmp(arg, "--", 2) == 0 || (short_too && arg[0] == '-' && isalpha(arg[1]));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A set's pieces sorted, one a line. */
static void sort_set(struct json_object *flags, const char *flag)
{
	char *all = copy_of(text(flags, flag)), *piece[512], *next = all;
	struct disagg_strbuf sorted;
	size_t count = 0;

	while (next && count < 512) {
		piece[count++] = next;
		next = strchr(next, '\n');
		if (next)
			*next++ = '\0';
	}
	qsort(piece, count, sizeof(*piece), by_text);
	disagg_strbuf_init(&sorted, 0);
	for (size_t i = 0; i < count; i++)
		disagg_strbuf_printf(&sorted, "%s%s", i ? "\n" : "", piece[i]);
	json_object_object_add(flags, flag, json_object_new_string(sorted.text));
	disagg_strbuf_release(&sorted);
	free(all);
}

/* The value words behind argv[*i] to one text; moves on to the next flag. */
static void put_values(
	struct json_object *argv, size_t *i, bool short_too, struct disagg_strbuf *value)
{
	struct disagg_strbuf one;
	bool any = value->len > 0;

	disagg_strbuf_init(&one, 0);
	for (; *i < length(argv) && !is_flag(word(argv, *i), short_too); ++*i) {
		normalise(word(argv, *i), &one);
		disagg_strbuf_printf(value, "%s%s", any ? " " : "", one.text);
		any = true;
	}
	disagg_strbuf_release(&one);
}

static void put_flag(struct json_object *flags, struct json_object *argv, size_t *i, bool short_too)
{
	char *name = copy_of(word(argv, (*i)++));
	char *equals = strchr(name, '=');
	struct disagg_strbuf value;

	disagg_strbuf_init(&value, 0);
	if (equals) {
		*equals = '\0';
		normalise(equals + 1, &value);
	}
	if (is_set(name) && get(flags, name)) {
		struct disagg_strbuf piece;

		disagg_strbuf_init(&piece, 0);
		put_values(argv, i, short_too, &piece);
		disagg_strbuf_printf(&value, "%s\n%s", text(flags, name), piece.text);
		disagg_strbuf_release(&piece);
	} else {
		put_values(argv, i, short_too, &value);
	}
	json_object_object_add(flags, name, json_object_new_string(value.text));
	disagg_strbuf_release(&value);
	free(name);
}

/* Where the command begins: behind "ulimit -n N &&", which a shell does. */
static size_t command_start(struct json_object *argv, struct json_object *flags)
{
	if (length(argv) < 4 || strcmp(word(argv, 0), "ulimit") != 0 ||
		strcmp(word(argv, 3), "&&") != 0)
		return 0;
	json_object_object_add(flags, "(ulimit -n)", json_object_new_string(word(argv, 2)));
	return 4;
}

/* {"program": words before the first flag, "--flag": value, ...} */
static struct json_object *flags_of(struct json_object *argv)
{
	struct json_object *flags = json_object_new_object();
	size_t i = command_start(argv, flags);
	const char *first = i < length(argv) ? word(argv, i) : "";
	bool short_too = strcmp(first, "nginx") == 0 || strcmp(first, "nsys") == 0;
	struct disagg_strbuf program;

	disagg_strbuf_init(&program, 0);
	put_values(argv, &i, short_too, &program);
	json_object_object_add(flags, "program", json_object_new_string(program.text));
	disagg_strbuf_release(&program);
	while (i < length(argv))
		put_flag(flags, argv, &i, short_too);
	json_object_object_foreach(flags, name, value)
	{
		(void)value;
		if (is_set(name))
			sort_set(flags, name);
	}
	return flags;
}

/* A client's arguments count by their place: "(0)", "(1)", ... */
static struct json_object *places_of(struct json_object *argv)
{
	struct json_object *places = json_object_new_object();
	struct disagg_strbuf one;
	char name[24];

	disagg_strbuf_init(&one, 0);
	for (size_t i = 0; i < length(argv); i++) {
		normalise(word(argv, i), &one);
		snprintf(name, sizeof(name), "(%zu)", i);
		json_object_object_add(places, name, json_object_new_string(one.text));
	}
	disagg_strbuf_release(&one);
	return places;
}

/* ---- one step ---- */

struct pair {
	const char *step;    /* "worker", "frontend", "nginx" */
	const char *program; /* "dynamo.sglang" */
	const char *where;
};

static void compare_value(
	const struct pair *pair, const char *name, const char *theirs, const char *ours)
{
	const char *const cell[] = {pair->step, pair->program, name, theirs, ours};

	if (strcmp(theirs, ours) != 0)
		differs(cell, pair->where);
}

/* Both directions; a null of ours is not there. */
static void compare_maps(
	const struct pair *pair, struct json_object *theirs, struct json_object *ours)
{
	json_object_object_foreach(theirs, name, value)
	{
		struct json_object *own = get(ours, name);

		compare_value(pair, name, json_object_get_string(value),
			own ? json_object_get_string(own) : ABSENT);
	}
	json_object_object_foreach(ours, own_name, own_value)
	{
		if (own_value && !get(theirs, own_name))
			compare_value(pair, own_name, ABSENT, json_object_get_string(own_value));
	}
}

static struct json_object *env_of(struct json_object *env)
{
	struct json_object *result = json_object_new_object();
	struct disagg_strbuf plain, value;

	disagg_strbuf_init(&plain, 0);
	disagg_strbuf_init(&value, 0);
	json_object_object_foreach(env, name, entry)
	{
		unquote(json_object_get_string(entry), &plain);
		normalise(plain.text, &value);
		json_object_object_add(result, name, json_object_new_string(value.text));
	}
	disagg_strbuf_release(&plain);
	disagg_strbuf_release(&value);
	return result;
}

/* The module behind -m, else the program. */
static const char *program_of(struct json_object *argv)
{
	struct json_object *dropped = json_object_new_object();
	size_t first = command_start(argv, dropped);
	const char *found = first < length(argv) ? word(argv, first) : "";

	for (size_t i = 0; i + 1 < length(argv); i++) {
		const char *next = word(argv, i + 1);

		if (strcmp(word(argv, i), "-m") == 0 && isalpha((unsigned char)next[0]))
			found = next;
	}
	json_object_put(dropped);
	return found;
}

static void compare_nodes(
	const struct pair *pair, struct json_object *theirs, struct json_object *ours)
{
	const char *list = text(theirs, "nodelist");
	struct disagg_strbuf want, got;

	disagg_strbuf_init(&want, 0);
	disagg_strbuf_init(&got, 0);
	for (const char *c = list; *c; c++) {
		if (*c == 'n')
			disagg_strbuf_printf(&want, "%s%d", want.len ? "," : "", atoi(c + 1));
	}
	for (size_t i = 0; i < length(get(ours, "nodes")); i++)
		disagg_strbuf_printf(&got, "%s%s", i ? "," : "", word(get(ours, "nodes"), i));
	compare_value(pair, "(nodes)", want.text, got.text);
	compare_value(pair, "(tasks)", text(theirs, "ntasks"), text(ours, "tasks"));
	disagg_strbuf_release(&want);
	disagg_strbuf_release(&got);
}

static void compare_step(
	const char *step, const char *where, struct json_object *theirs, struct json_object *ours)
{
	struct pair pair = {step, program_of(get(theirs, "argv")), where};
	struct json_object *argv = get(ours, "argv"), *client = get(get(ours, "client"), "own");
	bool by_place = strcmp(step, "benchmark") == 0;
	struct json_object *env = env_of(get(theirs, "env"));
	struct json_object *want, *got;

	if (length(client))
		argv = get(at(client, 0), "argv");
	want = by_place ? places_of(get(theirs, "argv")) : flags_of(get(theirs, "argv"));
	got = by_place ? places_of(argv) : flags_of(argv);

	compare_nodes(&pair, theirs, ours);
	compare_maps(&pair, want, got);
	compare_maps(&pair, env, get(ours, "env"));
	json_object_put(want);
	json_object_put(got);
	json_object_put(env);
}

/* ---- one variant ---- */

static unsigned compared; /* steps */

/* Which role and index a log's name says; false: a step that is not compared. */
static bool step_of(const char *log, char *ret_role, size_t size, int *ret_index)
{
	static const char *const services[] = {"frontend", "router", "nginx", "trtllm"};
	const char *name = strchr(log, '_');
	const char *last;
	size_t len;

	*ret_index = 0;
	if (strcmp(log, "benchmark.out") == 0) {
		snprintf(ret_role, size, "benchmark");
		return true;
	}
	if (!is_node(log, log) && !(log[0] == 'n' && isdigit((unsigned char)log[1])))
		return false;
	if (!name++)
		return false;
	len = strcspn(name, "_.");
	snprintf(ret_role, size, "%.*s", (int)len, name);
	last = strrchr(name, '_');
	*ret_index = last ? atoi(last + 1 + (last[1] == 'w')) : 0;
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		if (strcmp(services[i], ret_role) == 0)
			snprintf(ret_role, size, "%s", i == 2 ? "nginx" : "frontend");
	}
	return true;
}

static bool is_worker(const char *role)
{
	return strcmp(role, "prefill") == 0 || strcmp(role, "decode") == 0 ||
	       strcmp(role, "agg") == 0;
}

static bool is_compared_role(const char *role)
{
	static const char *const roles[] = {
		"prefill", "decode", "agg", "frontend", "nginx", "benchmark"};

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(roles[i], role) == 0)
			return true;
	}
	return false;
}

/* Our first step of a role and index that has not been taken. */
static struct json_object *take_step(struct json_object *ours, const char *role, int index)
{
	for (size_t i = 0; i < length(ours); i++) {
		struct json_object *step = at(ours, i);

		if (!get(step, "taken") && strcmp(text(step, "role"), role) == 0 &&
			json_object_get_int(get(step, "index")) == index) {
			json_object_object_add(step, "taken", json_object_new_boolean(1));
			return step;
		}
	}
	return NULL;
}

static void compare_variant(const char *label, struct json_object *want, struct json_object *got)
{
	struct json_object *steps = get(want, "steps"), *ours = get(got, "steps");
	char role[32], where[512];
	int index;

	for (size_t i = 0; i < length(steps); i++) {
		const char *log = text(at(steps, i), "log");
		struct json_object *own;
		const char *step;

		if (!step_of(log, role, sizeof(role), &index))
			continue;
		own = take_step(ours, role, index);
		step = is_worker(role) ? "worker" : role;
		snprintf(where, sizeof(where), "%s %s", label, log);
		compared++;
		if (own)
			compare_step(step, where, at(steps, i), own);
		else
			differs((const char *const[]){step, "", "(step)", log, ABSENT}, where);
	}
	for (size_t i = 0; i < length(ours); i++) {
		/* a frontend that is the only worker itself: nothing is started for it */
		if (!length(get(at(ours, i), "argv")) && !get(at(ours, i), "client"))
			continue;
		if (!get(at(ours, i), "taken") && is_compared_role(text(at(ours, i), "role")))
			differs((const char *const[]){text(at(ours, i), "role"), "", "(step)",
					ABSENT, text(at(ours, i), "log")},
				label);
	}
}

/* ---- many files in one call ---- */

/* A model that srtctl mounts is /model there; an id of a hub is passed on. */
static bool is_mounted(struct json_object *want)
{
	struct json_object *steps = get(want, "steps");

	for (size_t i = 0; i < length(steps); i++) {
		struct json_object *argv = get(at(steps, i), "argv");

		for (size_t k = 0; k < length(argv); k++) {
			if (strcmp(word(argv, k), "/model") == 0)
				return true;
		}
	}
	return false;
}

static char *label_of(struct json_object *want, const char *folder)
{
	const char *variant = text(want, "variant");
	struct disagg_strbuf label;
	char *copy;

	disagg_strbuf_init(&label, 0);
	disagg_strbuf_printf(
		&label, "%s%s%s%s", folder, text(want, "recipe"), *variant ? ":" : "", variant);
	copy = copy_of(label.text);
	disagg_strbuf_release(&label);
	return copy;
}

static FILE *start(char **argv, pid_t *ret_pid)
{
	int ends[2];

	if (pipe(ends))
		return NULL;
	*ret_pid = fork();
	if (*ret_pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execv(argv[0], argv);
		_exit(127);
	}
	close(ends[1]);
	return *ret_pid < 0 ? NULL : fdopen(ends[0], "r");
}

static bool is_of(struct json_object *got, struct json_object *want)
{
	const char *from = text(got, "source"), *recipe = text(want, "recipe");
	size_t len = strlen(from), tail = strlen(recipe);

	return len > tail && strcmp(from + len - tail, recipe) == 0 &&
	       strcmp(text(got, "variant"), text(want, "variant")) == 0;
}

static void check_variant(struct json_object *got, struct json_object *want)
{
	char *label = label_of(want, "");

	bad_variant = false;
	if (got)
		compare_variant(label, want, got);
	ok(got && !bad_variant, label);
	if (!got)
		printf("# there are no commands: see the errors above\n");
	free(label);
}

static void check_batch(struct json_object **want, size_t count, bool mounted)
{
	char *argv[FILES_A_CALL + 6] = {NULL};
	char program[1024], folder[1024];
	char *line = NULL;
	size_t size = 0, next = 0, args = 0;
	pid_t pid = -1;
	FILE *out;

	snprintf(program, sizeof(program), "%s/bin/disagg-plan", build);
	snprintf(folder, sizeof(folder), "%s/srtctl/", corpus);
	argv[args++] = copy_of(program);
	argv[args++] = copy_of("--cluster-file=");
	argv[args++] = copy_of("--format=commands");
	if (mounted)
		argv[args++] = copy_of("--set=model.path=/model");
	for (size_t i = 0; i < count; i++)
		argv[args++] = label_of(want[i], folder);
	out = start(argv, &pid);
	while (out && getline(&line, &size, out) > 0) {
		struct json_object *got = json_tokener_parse(line);

		/* they come in the order of the files; a refused one has none */
		while (next < count && !is_of(got, want[next]))
			check_variant(NULL, want[next++]);
		if (next < count)
			check_variant(got, want[next++]);
		json_object_put(got);
	}
	while (next < count)
		check_variant(NULL, want[next++]);
	free(line);
	if (out)
		fclose(out);
	waitpid(pid, NULL, 0);
	for (size_t i = 0; i < args; i++)
		free(argv[i]);
}

static void check_all(struct json_object *all, bool mounted)
{
	struct json_object *batch[FILES_A_CALL];
	size_t count = 0;

	for (size_t i = 0; i < length(all); i++) {
		if (is_mounted(at(all, i)) == mounted)
			batch[count++] = at(all, i);
		if (count == FILES_A_CALL || (count && i + 1 == length(all))) {
			check_batch(batch, count, mounted);
			count = 0;
		}
	}
}

/* ---- the verdict ---- */

static void report_unexplained(void)
{
	unsigned shown = 0;

	for (unsigned i = 0; i < differences; i++) {
		const struct difference *one = &difference[i];

		if (explained_by(one, -1) >= 0 || ++shown > 40)
			continue;
		printf("# %u times, first in %s: %s %s %s: srtctl has '%s', we have '%s'\n",
			one->count, one->first, one->cell[STEP], one->cell[PROGRAM],
			one->cell[NAME], one->cell[THEIRS], one->cell[OURS]);
	}
	if (shown > 40)
		printf("# and %u more\n", shown - 40);
}

/* A part of the recipes need not have every difference that all of them have. */
static void check_rows(void)
{
	unsigned needed = 0;
	char what[512];

	for (unsigned i = 0; i < differences; i++) {
		int by = explained_by(&difference[i], -1);

		if (by >= 0)
			row[by].matched += difference[i].count;
	}
	for (unsigned i = 0; i < rows; i++) {
		const struct row *one = &row[i];

		printf("# row %2u: %5u times: %s %s %s: %s\n", i + 1, one->matched, one->cell[STEP],
			one->cell[PROGRAM], one->cell[NAME], one->cell[REASON]);
		if (!one->matched)
			continue;
		needed++;
		snprintf(what, sizeof(what), "row %u is needed: without it the comparison fails",
			i + 1);
		ok(unexplained((int)i) > unexplained(-1), what);
	}
	ok(needed > 0, "there are differences on purpose");
	printf("# %u of %u rows have no use in these files\n", rows - needed, rows);
}

static void drop_row(const char *number)
{
	unsigned drop = (unsigned)atoi(number);

	if (!drop || drop > rows)
		return;
	memmove(&row[drop - 1], &row[drop], (rows - drop) * sizeof(*row));
	rows--;
}

int main(int argc, char **argv)
{
	struct json_object *all;
	char path[1024];

	corpus = getenv("CORPUS");
	build = getenv("BUILD");
	source = getenv("SRC");
	if (!corpus || !*corpus || !build || !source) {
		printf("not ok 1 - CORPUS, BUILD and SRC are set\n1..1\n");
		return 1;
	}
	read_rows();
	if (argc == 2 && strncmp(argv[1], "--without=", 10) == 0)
		drop_row(argv[1] + 10);
	snprintf(path, sizeof(path), "%s/srtctl/expected-commands.json", corpus);
	all = json_object_from_file(path);
	ok(length(all) > 0, "there is something to compare with");
	check_all(all, true);
	check_all(all, false);
	printf("# %u steps of %zu variants compared\n", compared, length(all));
	ok(unexplained(-1) == 0, "every difference has a row");
	report_unexplained();
	check_rows();
	json_object_put(all);
	return tap_done();
}
