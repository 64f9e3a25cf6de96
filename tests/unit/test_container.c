/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/container.h"
#include "lib/base/strbuf.h"
#include "tests/unit/tap.h"

#define OURS "/r:/r,/opt/bin:/run/disagg/bin:ro"
#define ENDS " --no-container-entrypoint --no-container-mount-home"

static struct disagg_arena arena;

static struct disagg_map map_of(struct disagg_kv *entries, unsigned count)
{
	return (struct disagg_map){entries, count};
}

static const char *variable(const char *name)
{
	if (strcmp(name, "HOME") == 0)
		return "/home/u";
	return strcmp(name, "A") == 0 ? "aa" : NULL;
}

/* The options with a blank between them. */
static const char *options_of(const struct disagg_container_call *call)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	const char *const *options;
	struct disagg_strbuf out;
	const char *text;

	if (disagg_container_options(&arena, call, &options, &err))
		return disagg_arena_strdup(&arena, err.text);
	disagg_strbuf_init(&out, 0);
	for (; *options; options++)
		disagg_strbuf_printf(&out, "%s%s", out.len ? " " : "", *options);
	text = disagg_arena_strdup(&arena, out.text);
	disagg_strbuf_release(&out);
	return text;
}

static struct disagg_container_call call_of(
	const struct disagg_container *container, const struct disagg_map *options)
{
	return (struct disagg_container_call){.container = container,
		.options = options,
		.bin = "/opt/bin",
		.run_dir = "/r",
		.getenv = variable};
}

static void test_container(void)
{
	struct disagg_kv mounts[] = {{.key = "/data", .value = "/d:ro+nosuid"},
		{.key = "~/x", .value = "/x"}, {.key = "$A/${A}/$B/${C", .value = "/y:"},
		{.key = "tmpfs", .value = "/models"}};
	struct disagg_container container = {
		.image = "$A.sqsh", .name = "box", .workdir = "/w", .mounts = map_of(mounts, 4)};
	struct disagg_container_call call = call_of(&container, NULL);
	const char *given = "--container-image=aa.sqsh --container-name=box "
			    "--container-mounts=/data:/d:ro+nosuid,/home/u/x:/x,aa/aa/$B/${C:/y,"
			    "tmpfs:/models," OURS " --container-workdir=/w" ENDS;

	is_str(options_of(&call), given, "all that a file says, then ours");
	call.getenv = NULL;
	has_str(options_of(&call), "~/x:/x,$A/${A}/$B/${C:/y",
		"without variables as it is written");
	call.getenv = variable;
	call.shared = true;
	has_str(options_of(&call), "--container-name=box:no_exec ", "a shared name starts anew");
	container.name = "box:exec";
	has_str(options_of(&call), "--container-name=box:exec ", "but as the file says it");
	is_str(disagg_container_name(&arena, &container, NULL), "box", "a name without its flag");
	container = (struct disagg_container){.image = "i"};
	is_str(options_of(&call), "--container-image=i --container-mounts=" OURS ENDS,
		"an image alone");
	container = (struct disagg_container){.name = "n"};
	call.shared = false;
	is_str(options_of(&call), "--container-name=n --container-mounts=" OURS ENDS,
		"a name alone, of a container that is there");
}

static void test_options(void)
{
	struct disagg_kv mounts[] = {
		{.key = "/data", .value = "/d"}, {.key = "/other", .value = "/o"}};
	struct disagg_container container = {
		.image = "i", .name = "n", .workdir = "/w", .mounts = map_of(mounts, 2)};
	struct disagg_kv entries[] = {{.key = "container-image", .value = "theirs"},
		{.key = "cpu-bind", .value = "none"},
		{.key = "container-mounts", .value = "/new:/d:ro,/same,$A:/a"},
		{.key = "container-name", .value = "m"},
		{.key = "container-workdir", .value = "/v"},
		{.key = "container-mount-home", .value = ""},
		{.key = "no-container-remap-root", .value = ""},
		{.key = "container-unshare", .value = "ipc"},
		{.key = "container-entrypoint", .value = ""}};
	struct disagg_map options = map_of(entries, 9);
	struct disagg_container_call call = call_of(&container, &options);

	is_str(options_of(&call),
		"--container-image=theirs --container-name=m "
		"--container-mounts=/other:/o,/new:/d:ro,/same:/same,aa:/a," OURS
		" --container-workdir=/v --container-mount-home --no-container-remap-root "
		"--container-unshare=ipc --container-entrypoint",
		"what a file says as an option counts, and is there once");
	is_str(disagg_container_image(&container, &options), "theirs", "the image");
	is_str(disagg_container_name(&arena, &container, &options), "m", "the name");
	call.container = NULL;
	has_str(options_of(&call), "--container-image=theirs ", "without a container, too");
	is_str(disagg_container_image(NULL, NULL), NULL, "nothing is no image");
	ok(disagg_container_option("container-x") && disagg_container_option("no-container-x") &&
			!disagg_container_option("container") && !disagg_container_option("mem"),
		"which options are pyxis's");
}

static void test_model(void)
{
	static const struct {
		const char *source, *target;
		bool covers;
	} rows[] = {
		{"/models", "/models", true},
		{"/lustre", "/models/", true},
		{"/x", "/models/a/b", true},
		{"./x", "/models", true},
		{"/", "/", true},
		{"/models", "/mod", false},
		{"/models", "/models/a/b/c", false},
		{"/models", "/m", false},
		{"tmpfs", "/models", false},
		{"umount", "/models", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct disagg_kv mount = {.key = rows[i].source, .value = rows[i].target};
		struct disagg_container container = {.image = "i", .mounts = map_of(&mount, 1)};
		struct disagg_container_call call = call_of(&container, NULL);
		const char *what =
			disagg_arena_printf(&arena, "%s at %s", rows[i].source, rows[i].target);

		call.place[0] = (struct disagg_container_place){"/models/a/b", "/models/a/b"};
		call.place_count = 1;
		ok(disagg_container_covers(&call, "/models/a/b") == rows[i].covers, what);
		ok(!strstr(options_of(&call), ",/models/a/b:/models/a/b,/r:/r,") == rows[i].covers,
			"else it is mounted");
	}
}

static void test_bad(void)
{
	static const struct {
		const char *run_dir, *bin, *model, *error;
	} rows[] = {
		{"/a,b", "/opt", NULL, "the run directory '/a,b' cannot be mounted"},
		{"/a:b", "/opt", NULL, "the run directory '/a:b' cannot be mounted"},
		{"/r", "/o,pt", NULL, "the folder of disagg-exec, '/o,pt' cannot be mounted"},
		{"/r", "/opt", "/m:1", "the folder '/m:1' cannot be mounted"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct disagg_container container = {.image = "i"};
		struct disagg_container_call call = {.container = &container,
			.run_dir = rows[i].run_dir,
			.bin = rows[i].bin,
			.place = {{rows[i].model, rows[i].model}},
			.place_count = rows[i].model != NULL};

		has_str(options_of(&call), rows[i].error, rows[i].error);
	}
}

static void test_memory(void)
{
	struct disagg_kv mounts[] = {{.key = "$A", .value = "/d:ro"}};
	struct disagg_container container = {
		.image = "~", .name = "n", .workdir = "/w", .mounts = map_of(mounts, 1)};
	struct disagg_container_call call = call_of(&container, NULL);

	call.shared = true;
	for (long nth = 0;; nth++) {
		struct disagg_arena scratch = {.limit = 2000};
		struct disagg_err err = DISAGG_ERR_INIT;
		const char *const *options = NULL;
		int rc;

		disagg_alloc_fail_after(nth);
		rc = disagg_container_options(&scratch, &call, &options, &err);
		disagg_alloc_fail_after(-1);
		disagg_arena_release(&scratch);
		if (rc == 0) {
			ok(nth > 3, "without memory it fails");
			return;
		}
		if (err.code != DISAGG_SYSTEM || options) {
			ok(false, "without memory nothing is returned");
			return;
		}
	}
}

int main(void)
{
	test_container();
	test_options();
	test_model();
	test_bad();
	test_memory();
	disagg_arena_release(&arena);
	return tap_done();
}
