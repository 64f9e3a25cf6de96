/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/container.h"
#include "lib/base/strbuf.h"
#include <string.h>

#define FIXED_WORDS 8

static const char *option_of(const struct disagg_map *options, const char *name)
{
	const char *value = options ? disagg_map_get(options, name) : NULL;

	return value && value[0] ? value : NULL;
}

static bool has_option(const struct disagg_map *options, const char *name)
{
	return options && disagg_map_get(options, name);
}

static const char *either(const char *option, const char *other)
{
	return option ? option : other && other[0] ? other : NULL;
}

bool disagg_container_option(const char *option)
{
	static const char *const prefixes[] = {"container-", "no-container-"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(option, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

const char *disagg_container_image(
	const struct disagg_container *container, const struct disagg_map *options)
{
	return either(option_of(options, "container-image"), container ? container->image : NULL);
}

static const char *workdir_of(
	const struct disagg_container *container, const struct disagg_map *options)
{
	return either(
		option_of(options, "container-workdir"), container ? container->workdir : NULL);
}

/* "NAME[:FLAG]" */
static const char *name_of(
	const struct disagg_container *container, const struct disagg_map *options)
{
	return either(option_of(options, "container-name"), container ? container->name : NULL);
}

const char *disagg_container_name(struct disagg_arena *arena,
	const struct disagg_container *container, const struct disagg_map *options)
{
	const char *name = name_of(container, options);

	return name ? disagg_arena_strndup(arena, name, strcspn(name, ":")) : NULL;
}

/* ---- variables in what the file says ---- */

static const char *home_and_rest(
	const char *text, const struct disagg_container_call *call, struct disagg_strbuf *out)
{
	const char *home =
		text[0] == '~' && (text[1] == '/' || !text[1]) ? call->getenv("HOME") : NULL;

	if (!home)
		return text;
	disagg_strbuf_puts(out, home);
	return text + 1;
}

/* $NAME, ${NAME} or {NAME} at `text`; returns what is behind it, NULL where it is
 * none that is known. */
static const char *put_variable(
	const char *text, const struct disagg_container_call *call, struct disagg_strbuf *out)
{
	bool dollar = text[0] == '$', braced = text[dollar] == '{';
	const char *name = text + dollar + braced, *value;
	size_t len =
		strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
	char copy[256];

	if (!len || len >= sizeof(copy) || (braced && name[len] != '}'))
		return NULL;
	memcpy(copy, name, len);
	copy[len] = '\0';
	if (dollar)
		value = call->getenv(copy);
	else
		value = call->fill ? call->fill(call->context, copy) : NULL;
	if (!value)
		return NULL;
	disagg_strbuf_puts(out, value);
	return name + len + braced;
}

/* What is not set stays as it is written, and fails as such. */
static const char *expand(
	struct disagg_arena *arena, const char *text, const struct disagg_container_call *call)
{
	struct disagg_strbuf out;
	const char *copy = NULL;

	if (!call->getenv || !text[strcspn(text, "$~{")])
		return text;
	disagg_strbuf_init(&out, 0);
	text = home_and_rest(text, call, &out);
	while (*text) {
		bool begins = *text == '$' || *text == '{';
		const char *rest = begins ? put_variable(text, call, &out) : NULL;

		if (!rest)
			disagg_strbuf_putc(&out, *text);
		text = rest ? rest : text + 1;
	}
	if (!out.failed)
		copy = disagg_arena_strdup(arena, out.text);
	disagg_strbuf_release(&out);
	return copy;
}

/* ---- mounts ---- */

struct mount {
	const char *source, *target, *flags; /* flags NULL: none */
};

struct mounts {
	struct disagg_arena *arena;
	struct mount *v;
	unsigned count, room;
	bool failed; /* no memory */
};

/* Of two for one place the later counts. */
static void mounts_add(
	struct mounts *list, const char *source, const char *target, const char *flags)
{
	unsigned kept = 0;

	if (!source || !target) {
		list->failed = true;
		return;
	}
	for (unsigned i = 0; i < list->count; i++) {
		if (strcmp(list->v[i].target, target) != 0)
			list->v[kept++] = list->v[i];
	}
	list->count = kept;
	if (list->count == list->room) {
		unsigned room = list->room ? 2 * list->room : 16;
		struct mount *grown = disagg_arena_grow(
			list->arena, list->v, list->count, room, sizeof(*list->v));

		list->failed |= !grown;
		if (!grown)
			return;
		list->v = grown;
		list->room = room;
	}
	list->v[list->count++] = (struct mount){source, target, flags};
}

/* "TARGET[:FLAGS]" */
static void add_split(struct mounts *list, const char *source, const char *value,
	const struct disagg_container_call *call)
{
	size_t len = strcspn(value, ":");
	const char *flags = value[len] && value[len + 1] ? value + len + 1 : NULL;
	const char *target = disagg_arena_strndup(list->arena, value, len);

	if (target && call->fill)
		target = expand(list->arena, target, call);
	mounts_add(list, source, target, flags);
}

/* "SOURCE[:TARGET[:FLAGS]],..." of an option */
static void add_list(
	struct mounts *list, const char *text, const struct disagg_container_call *call)
{
	while (text && *text) {
		size_t len = strcspn(text, ",");
		const char *word = disagg_arena_strndup(list->arena, text, len);
		size_t end = word ? strcspn(word, ":") : 0;
		const char *source = word ? disagg_arena_strndup(list->arena, word, end) : NULL;

		if (source && end)
			add_split(list, expand(list->arena, source, call),
				word[end] ? word + end + 1 : source, call);
		list->failed |= !source;
		text += len;
		text += *text == ',';
	}
}

static void add_given(struct mounts *list, const struct disagg_container_call *call)
{
	for (unsigned i = 0; call->container && i < call->container->mounts.count; i++) {
		const struct disagg_kv *mount = &call->container->mounts.v[i];

		add_split(list, expand(list->arena, mount->key, call), mount->value, call);
	}
	add_list(list, option_of(call->options, "container-mounts"), call);
}

/* pyxis has "tmpfs" and "umount" for a source, too. */
static bool is_path(const char *source)
{
	return source[0] == '/' || source[0] == '.';
}

static bool lies_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	while (len && folder[len - 1] == '/')
		len--;
	return strncmp(path, folder, len) == 0 && (!path[len] || path[len] == '/');
}

/* One of the first `count`. */
static bool covers(const struct mounts *list, unsigned count, const char *path)
{
	for (unsigned i = 0; i < count; i++) {
		if (is_path(list->v[i].source) && lies_below(path, list->v[i].target))
			return true;
	}
	return false;
}

bool disagg_container_covers(const struct disagg_container_call *call, const char *path)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct mounts list = {.arena = &arena};
	bool found;

	add_given(&list, call);
	found = covers(&list, list.count, path);
	disagg_arena_release(&arena);
	return found;
}

static const char *mounts_text(const struct mounts *list)
{
	struct disagg_strbuf out;
	const char *text = NULL;

	disagg_strbuf_init(&out, 0);
	for (unsigned i = 0; i < list->count; i++) {
		const struct mount *mount = &list->v[i];

		disagg_strbuf_printf(&out, "%s%s:%s%s%s", i ? "," : "", mount->source,
			mount->target, mount->flags ? ":" : "", mount->flags ? mount->flags : "");
	}
	if (!out.failed && !list->failed)
		text = disagg_arena_strdup(list->arena, out.text);
	disagg_strbuf_release(&out);
	return text;
}

/* ---- options ---- */

struct words {
	struct disagg_arena *arena;
	const char **v;
	unsigned count;
	bool failed;
};

static void add(struct words *words, const char *word)
{
	words->failed |= !word;
	if (word)
		words->v[words->count++] = word;
}

static void add_value(struct words *words, const char *option, const char *value)
{
	if (value)
		add(words, disagg_arena_printf(words->arena, "--%s=%s", option, value));
}

/* A switch of ours, but for where the file says it or its opposite. */
static void add_switch(struct words *words, const struct disagg_map *options, const char *off)
{
	const char *on = off + strlen("no-");

	if (!has_option(options, on) && !has_option(options, off))
		add(words, disagg_arena_printf(words->arena, "--%s", off));
}

/* Steps that share a file system start in it one by one, each with mounts of its
 * own; pyxis would have the others enter the first one's. */
static const char *step_name(struct words *words, const struct disagg_container_call *call)
{
	const char *name = name_of(call->container, call->options);

	if (!name || !call->shared || strchr(name, ':'))
		return name;
	name = disagg_arena_printf(words->arena, "%s:no_exec", name);
	words->failed |= !name;
	return name;
}

static void add_rest(struct words *words, const struct disagg_map *options)
{
	static const char *const taken[] = {
		"container-image", "container-name", "container-mounts", "container-workdir"};

	for (unsigned i = 0; options && i < options->count; i++) {
		const struct disagg_kv *option = &options->v[i];
		bool known = !disagg_container_option(option->key);

		for (size_t t = 0; t < sizeof(taken) / sizeof(taken[0]); t++)
			known |= strcmp(option->key, taken[t]) == 0;
		if (known)
			continue;
		if (option->value && option->value[0])
			add_value(words, option->key, option->value);
		else
			add(words, disagg_arena_printf(words->arena, "--%s", option->key));
	}
}

static int check_path(const char *path, const char *what, struct disagg_err *err)
{
	if (!path || !path[strcspn(path, ",:")])
		return 0;
	return disagg_err_set(err, DISAGG_CONFIG,
		"%s '%s' cannot be mounted in a container: pyxis takes ',' and ':' for the end of "
		"a path",
		what, path);
}

static const char *all_mounts(struct disagg_arena *arena, const struct disagg_container_call *call)
{
	struct mounts list = {.arena = arena};
	unsigned given;

	add_given(&list, call);
	given = list.count;
	for (unsigned i = 0; i < call->place_count; i++) {
		if (!covers(&list, given, call->place[i].target))
			mounts_add(&list, call->place[i].source, call->place[i].target, NULL);
	}
	mounts_add(&list, call->run_dir, call->run_dir, NULL);
	mounts_add(&list, call->bin, DISAGG_CONTAINER_BIN, "ro");
	return mounts_text(&list);
}

int disagg_container_options(struct disagg_arena *arena, const struct disagg_container_call *call,
	const char *const **ret, struct disagg_err *err)
{
	const struct disagg_map *options = call->options;
	const char *given = disagg_container_image(call->container, options);
	struct words words = {.arena = arena};
	const char *image, *mounts;

	if (check_path(call->run_dir, "the run directory", err) ||
		check_path(call->bin, "the folder of disagg-exec,", err))
		return -1;
	for (unsigned i = 0; i < call->place_count; i++) {
		if (check_path(call->place[i].source, "the folder", err))
			return -1;
	}
	image = given ? expand(arena, given, call) : NULL;
	mounts = all_mounts(arena, call);
	words.v = disagg_arena_array(
		arena, FIXED_WORDS + (options ? options->count : 0), sizeof(*words.v));
	if (!words.v || !mounts || (given && !image))
		return disagg_err_nomem(err);
	add_value(&words, "container-image", image);
	add_value(&words, "container-name", step_name(&words, call));
	add_value(&words, "container-mounts", mounts);
	add_value(&words, "container-workdir", workdir_of(call->container, options));
	add_switch(&words, options, "no-container-entrypoint");
	add_switch(&words, options, "no-container-mount-home");
	add_rest(&words, options);
	if (words.failed)
		return disagg_err_nomem(err);
	*ret = words.v;
	return 0;
}
