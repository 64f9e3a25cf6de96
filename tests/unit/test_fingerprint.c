/* SPDX-License-Identifier: Apache-2.0 */
/* A node's fingerprint from a made-up root, and fingerprints of a fleet compared. */
#include "lib/probe/environment.h"
#include "lib/probe/fingerprint.h"
#include "lib/probe/gather.h"
#include "fleetcase.h"
#include "tap.h"
#include <sys/stat.h>

static char top[] = "/tmp/test_fingerprint_XXXXXX";

static void make_folders(char *path)
{
	for (char *c = path + 1; *c; c++)
		if (*c == '/') {
			*c = '\0';
			mkdir(path, 0700);
			*c = '/';
		}
}

static void put(const char *root, const char *path, const char *text)
{
	char whole[512];
	FILE *file;

	snprintf(whole, sizeof(whole), "%s/%s%s", top, root, path);
	make_folders(whole);
	file = fopen(whole, "w");
	if (!file || fputs(text, file) < 0 || fclose(file))
		printf("Bail out! cannot write %s\n", whole);
}

static void put_link(const char *root, const char *path, const char *to)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "%s/%s%s", top, root, path);
	make_folders(whole);
	unlink(whole);
	if (symlink(to, whole))
		printf("Bail out! cannot link %s\n", whole);
}

static void put_node(const char *root, const char *driver)
{
	char text[256];

	snprintf(text, sizeof(text), "%s\n", driver);
	put(root, "/sys/module/nvidia/version", text);
	put(root, "/proc/sys/kernel/osrelease", "6.8.0-45-generic\n");
	put(root, "/proc/sys/vm/swappiness", "10\n");
	put(root, "/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n");
	put(root, "/proc/cmdline",
		"BOOT_IMAGE=/vmlinuz root=UUID=1234 ro iommu=pt nosmt quiet hugepages=64\n");
	put(root, "/etc/os-release", "NAME=x\nPRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\n");
	put(root, "/proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU\nmicrocode\t: 0x2b\n");
	put(root, "/proc/meminfo", "MemTotal:       2113929216 kB\nMemFree: 1 kB\n");
	put(root, "/proc/driver/nvidia/version",
		"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release\n");
	put(root, "/proc/driver/nvidia/gpus/0000:0f:00.0/information",
		"Model: \t\t NVIDIA H200\nIRQ: 1\nGPU UUID: \t GPU-secret-of-this-node\n"
		"Video BIOS: \t 96.00.a5.00.01\nGPU Firmware: \t 580.65.06\n");
	put(root, "/sys/class/infiniband/mlx5_0/fw_ver", "28.39.1002\n");
	put(root, "/sys/class/net/eth0/mtu", "9000\n");
	put(root, "/sys/class/net/eth0/device/vendor", "x\n");
	put(root, "/sys/class/net/veth1/mtu", "1500\n");
	put(root, "/lib/x86_64-linux-gnu/libnccl.so.2.27.5", "");
	put_link(root, "/lib/x86_64-linux-gnu/libnccl.so.2", "libnccl.so.2.27.5");
	put(root, "/opt/venv/bin/python3", "");
	put(root, "/opt/venv/lib/python3.12/site-packages/vllm-0.9.1.dist-info/METADATA", "");
	put(root, "/opt/venv/lib/python3.12/site-packages/Flash_Attn-2.8.dist-info/METADATA", "");
	put(root, "/opt/venv/lib/python3.12/site-packages/own-1.0.dist-info/direct_url.json",
		"{\"url\": \"https://u:p@host/own\", \"vcs_info\": {\"commit_id\": "
		"\"0123456789abcdef0123\", \"vcs\": \"git\"}}");
	put(root, "/usr/lib/python3/dist-packages/vllm-0.1.dist-info/METADATA", "");
	put(root, "/etc/nccl.conf", "# ours\nNCCL_IB_HCA=mlx5\n");
}

static const char *const env[] = {"PATH=/nowhere:/opt/venv/bin", "NCCL_DEBUG=WARN",
	"HF_TOKEN=hf_secret", "VLLM_API_KEY=secret", "NCCL_AUTH_TOKEN=secret", "HOME=/root",
	"CUDA_VISIBLE_DEVICES=3", "UCX_URL=http://me:secret@host/", "NCCL_BROKEN",
	"DYN_ETCD_PWD=secret", "MOONCAKE_DB_PSW=secret", "TRTLLM_BEARER=secret", NULL};

static const char *value_of(const struct disagg_fingerprint *print, const char *key)
{
	for (size_t i = 0; i < DISAGG_ENV_PARTS; i++)
		for (size_t k = 0; k < print->section[i].count; k++)
			if (strcmp(print->section[i].pair[k].key, key) == 0)
				return print->section[i].pair[k].value;
	return NULL;
}

static struct disagg_fingerprint take(
	struct disagg_arena *arena, const char *root, const char *const *envp)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_fingerprint print = {0};
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", top, root);
	struct disagg_fingerprint_source source = {path, envp};

	is_int(disagg_fingerprint_take(arena, &source, &print, &err), 0, "a fingerprint");
	return print;
}

static void test_take(void)
{
	static const char *const want[][2] = {{"kernel.release", "6.8.0-45-generic"},
		{"kernel.cmdline.iommu", "pt"}, {"kernel.cmdline.nosmt", "(set)"},
		{"kernel.cmdline.root", NULL}, {"kernel.cmdline.hugepages", "64"},
		{"os.name", "Ubuntu 24.04.1 LTS"}, {"driver.version", "580.65.06"},
		{"driver.module", "open"}, {"driver.gpus", "1"},
		{"driver.gpu0.vbios", "96.00.a5.00.01"}, {"driver.gpu0.model", "NVIDIA H200"},
		{"cuda.libnccl.so.2", "libnccl.so.2.27.5"}, {"fabric.mlx5_0.fw_ver", "28.39.1002"},
		{"fabric.eth0.mtu", "9000"}, {"fabric.veth1.mtu", NULL},
		{"sysctl.vm.swappiness", "10"}, {"host.cpu", "Some CPU"},
		{"host.memory_gb", "2113"}, {"python.vllm", "0.9.1"}, {"python.flash-attn", "2.8"},
		{"python.own", "1.0 (commit 0123456789ab)"}, {"env.NCCL_DEBUG", "WARN"},
		{"env.nccl.conf.NCCL_IB_HCA", "mlx5"}, {"env.HF_TOKEN", NULL},
		{"env.CUDA_VISIBLE_DEVICES", NULL}, {"env.HOME", NULL},
		{"env.UCX_URL", "[a URL with a login]"}, {"program.version", DISAGG_VERSION}};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_fingerprint print, again;
	bool secret = false;

	put_node("one", "580.65.06");
	print = take(&arena, "one", env);
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
		is_str(value_of(&print, want[i][0]), want[i][1], want[i][0]);
	for (size_t i = 0; i < DISAGG_ENV_PARTS; i++)
		for (size_t k = 0; k < print.section[i].count; k++)
			secret = secret || strstr(print.section[i].pair[k].value, "secret");
	ok(!secret, "nothing secret, and no UUID, is in it");
	again = take(&arena, "one", env);
	ok(memcmp(print.section[DISAGG_ENV_PYTHON].digest, again.section[DISAGG_ENV_PYTHON].digest,
		   DISAGG_DIGEST_TEXT) == 0,
		"the same node has the same digest");
	put_node("one", "580.82.07");
	again = take(&arena, "one", env);
	ok(strcmp(print.section[DISAGG_ENV_DRIVER].digest,
		   again.section[DISAGG_ENV_DRIVER].digest) != 0,
		"another driver has another digest");
	is_str(print.section[DISAGG_ENV_SYSCTL].digest, again.section[DISAGG_ENV_SYSCTL].digest,
		"of its section alone");
	disagg_arena_release(&arena);
}

static void test_digest(void)
{
	/* draft-eastlake-fnv, appendix C */
	static const char *const vectors[][2] = {{"", "6c62272e07bb014262b821756295c58d"},
		{"a", "d228cb696f1a8caf78912b704e4a8964"},
		{"foobar", "343e1662793c64bf6f0d3597ba446f18"}};
	char text[DISAGG_DIGEST_TEXT];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		struct disagg_digest digest;

		disagg_digest_init(&digest);
		disagg_digest_add(&digest, vectors[i][0], strlen(vectors[i][0]));
		disagg_digest_text(&digest, text);
		is_str(text, vectors[i][1], "FNV-1a of 128 bits");
	}
}

/* ---- a fleet ---- */

/* Each node of the fleet has a root of its own. */
static int run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct disagg_probe_options options = *run->options;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", top, run->node);
	options.sysroot = path;
	run->options = &options;
	return disagg_environment_run(run, err);
}

static const struct disagg_probe probes[] = {
	{.name = "env.fingerprint",
		.kind = DISAGG_PROBE_FLEET,
		.suites = 7,
		.deadline_ms = 20000,
		.run = run,
		.lead = disagg_environment_lead},
	{.name = NULL},
};

static const struct disagg_probe_record *find(
	const struct disagg_fleet *fleet, const char *node, const char *param)
{
	size_t count;
	const struct disagg_probe_record *const *all = disagg_fleet_records(fleet, &count);

	for (size_t i = 0; i < count; i++)
		if (all[i]->node && strcmp(all[i]->node, node) == 0 && all[i]->param &&
			strcmp(all[i]->param, param) == 0)
			return all[i];
	return NULL;
}

static void fleet_of(const char *allow, size_t nodes, struct fleetcase *ret)
{
	static const struct disagg_probe *one[] = {&probes[0]};
	struct disagg_suite suite = {.probe = one, .count = 1};
	struct disagg_err err = DISAGG_ERR_INIT;

	*ret = (struct fleetcase){.probes = probes, .nodes = nodes};
	ret->options.allow = allow;
	ok(fleetcase_start(ret, &err) == 0 && disagg_suite_run(ret->fleet, &suite, &err) == 0,
		"a fleet of nodes");
}

static void test_fleet(void)
{
	struct fleetcase all;
	const struct disagg_probe_record *record;
	size_t count;

	for (int i = 1; i <= 7; i++) {
		char root[8];

		snprintf(root, sizeof(root), "n%hhu", (unsigned char)i);
		put_node(root, i == 3 || i == 6 ? "570.86.15" : "580.65.06");
	}
	put("n5", "/proc/sys/vm/swappiness", "60\n");
	put("n2", "/opt/venv/lib/python3.12/site-packages/extra-1.dist-info/METADATA", "");
	put("n1", "/usr/lib/python3/dist-packages/extra-1.dist-info/METADATA", "");

	/* PATH is what the tests run with: the venv is found by /usr only */
	fleet_of("kernel.*, fabric.*", 7, &all);
	record = find(all.fleet, "n3", "driver.version");
	if (ok(record != NULL, "a node with another driver")) {
		is_int(record->status, DISAGG_PROBE_FAIL, "fails");
		has_str(record->reason, "'570.86.15' on n[3,6], '580.65.06' on 5 of 7 nodes",
			"and says what and who");
		has_str(record->hint, "--allow=driver.version", "and how to allow it");
	}
	ok(find(all.fleet, "n6", "driver.version") != NULL, "and so does the other");
	record = find(all.fleet, "n5", "sysctl.vm.swappiness");
	if (ok(record != NULL, "a node with another setting"))
		is_int(record->status, DISAGG_PROBE_WARN, "is warned of");
	record = find(all.fleet, "n1", "python.extra");
	if (ok(record != NULL, "a key that one node has"))
		has_str(record->reason, "'1' on n1, nothing on 6 of 7 nodes", "is told so");
	record = find(all.fleet, "n1", "differ");
	if (ok(record != NULL, "the fleet's record"))
		is_int((intmax_t)record->value, 3, "counts the keys that differ");
	record = find(all.fleet, "n4", "gathered");
	ok(record && record->status == DISAGG_PROBE_PASS && record->value > 20,
		"each node tells how much it has told");
	(void)disagg_fleet_records(all.fleet, &count);
	is_int((intmax_t)count, 7 + 1 + 4, "and nothing else is said");
	is_int(fleetcase_end(&all), 0, "the agents end");

	fleet_of("driver.*,sysctl.vm.swappiness,python.*", 7, &all);
	record = find(all.fleet, "n1", "differ");
	ok(record && record->value < 0.5, "what is allowed is no difference");
	is_int(fleetcase_end(&all), 0, "the agents end");
}

static void test_no_majority(void)
{
	struct fleetcase all;
	const struct disagg_probe_record *record;

	put_node("n1", "580.65.06");
	put_node("n2", "570.86.15");
	put("n1", "/usr/lib/python3/dist-packages/extra-1.dist-info/METADATA", "");
	put("n2", "/usr/lib/python3/dist-packages/extra-1.dist-info/METADATA", "");
	fleet_of(NULL, 2, &all);
	record = find(all.fleet, "n1", "driver.version");
	if (ok(record != NULL && find(all.fleet, "n2", "driver.version"),
		    "two nodes that differ: both are told"))
		has_str(record->reason, "'580.65.06' on n1, '570.86.15' on n2; no majority",
			"which is right nobody knows");
	is_int(fleetcase_end(&all), 0, "the agents end");
}

/* ---- messages that nobody sends ---- */

static void test_bad_messages(void)
{
	static const char *const bad[] = {"{}", "[]", "{\"digest\":{\"kernel\":\"short\"}}"};
	static const char *const name[] = {"a", "b"};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_gather *gather = disagg_gather_new(&arena, name, 2);
	struct disagg_gather_question question[4];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct disagg_json *json = NULL;

		disagg_json_parse(&json, bad[i], strlen(bad[i]), NULL);
		is_int(disagg_gather_take_digests(gather, 0, json, NULL), -1, bad[i]);
		disagg_json_free(json);
	}
	is_int((intmax_t)disagg_gather_questions(gather, question, 4), 0, "nobody is asked");
	disagg_arena_release(&arena);
}

/* A section that takes several messages; who does not answer is replaced. */
static void test_long_section(void)
{
	static const char *const name[] = {"a", "b", "c"};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_gather *gather = disagg_gather_new(&arena, name, 3);
	struct disagg_fingerprint print[2] = {0};
	struct disagg_gather_question question[8];
	struct disagg_gather_result result = {0};
	size_t count, rounds = 0;

	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < 3000; i++) {
			char key[32];

			snprintf(key, sizeof(key), "dist%04d", i);
			disagg_fingerprint_add(&arena, &print[k], DISAGG_ENV_PYTHON, key,
				k && i == 2999 ? "2.0" : "1.0.0.0.0.0.0");
		}
		disagg_fingerprint_finish(&print[k]);
	}
	for (size_t node = 0; node < 3; node++) {
		struct disagg_strbuf text;
		struct disagg_json *json = NULL;

		disagg_strbuf_init(&text, 0);
		disagg_gather_put_digests(&text, &print[node == 1]);
		disagg_json_parse(&json, text.text, text.len, NULL);
		is_int(disagg_gather_take_digests(gather, node, json, NULL), 0, "digests");
		disagg_json_free(json);
		disagg_strbuf_release(&text);
	}
	while ((count = disagg_gather_questions(gather, question, 8)) > 0 && rounds++ < 20)
		for (size_t i = 0; i < count; i++) {
			struct disagg_strbuf text;
			struct disagg_json *json = NULL;

			if (question[i].node == 0) { /* does not answer */
				disagg_gather_give_up(gather, &question[i]);
				continue;
			}
			disagg_strbuf_init(&text, 0);
			disagg_gather_put_pairs(&text, &print[question[i].node == 1],
				question[i].part, question[i].from);
			ok(text.len < 60000, "a message fits in a line");
			disagg_json_parse(&json, text.text, text.len, NULL);
			is_int(disagg_gather_take_pairs(gather, &question[i], json, NULL), 0,
				"an answer");
			disagg_json_free(json);
			disagg_strbuf_release(&text);
		}
	ok(rounds > 2 && rounds < 20, "in several messages");
	is_int(disagg_gather_compare(gather, NULL, &result, NULL), 0, "they are compared");
	is_int((intmax_t)result.count, 1, "one key differs");
	if (result.count == 1)
		is_str(result.difference[0].key, "python.dist2999", "the last one");
	disagg_arena_release(&arena);
}

int main(void)
{
	char command[64];
	int rc;

	if (!mkdtemp(top))
		return 1;
	test_digest();
	test_take();
	test_bad_messages();
	test_long_section();
	test_fleet();
	test_no_majority();
	snprintf(command, sizeof(command), "rm -rf %s", top);
	rc = system(command);
	return tap_done() || rc;
}
