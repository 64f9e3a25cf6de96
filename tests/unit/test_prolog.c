/* SPDX-License-Identifier: Apache-2.0 */
/* The check before a job, on the stub of NVML and on a kernel log of our own. */
#include "lib/probe/prolog.h"
#include "tap.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[] = "/tmp/test_prolog_XXXXXX";
static char folder[64], log_path[64], cache_path[96];

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) < 0 || fclose(file))
		printf("Bail out! cannot write %s\n", path);
}

static struct disagg_prolog_verdict check(const char *faults)
{
	struct disagg_prolog_spec spec = {
		.folder = folder, .kernel_log = log_path, .deadline_ms = 8000};
	struct disagg_prolog_verdict verdict;

	setenv("STUB_FAULTS", faults, 1);
	if (strcmp(faults, "nvml-hang") == 0)
		spec.deadline_ms = 1000;
	disagg_prolog_check(&spec, &verdict);
	return verdict;
}

static void forget(void)
{
	unlink(cache_path);
}

static void test_good(void)
{
	struct disagg_prolog_verdict verdict;

	put(log_path, "6,1,1000,-;hello\n");
	verdict = check("");
	ok(!verdict.bad && !verdict.cached, "healthy GPUs and a quiet log");
	is_str(verdict.unknown, "", "all was checked");
	verdict = check("ecc gpu=1");
	ok(!verdict.bad && verdict.cached, "the next check believes the last one of NVML");
	forget();
	verdict = check("ecc gpu=1");
	ok(verdict.bad && !verdict.cached, "without it, NVML is asked");
	has_str(verdict.text, "GPU 1 (GPU-", "which GPU");
	has_str(verdict.text, "1 uncorrected memory error since", "and what is bad");
	verdict = check("");
	ok(!verdict.bad && !verdict.cached, "a bad verdict is not kept");
}

static void test_soft(void)
{
	forget();
	ok(!check("remap-pending gpu=0; power-limit watts=500; hot degrees=90").bad,
		"what can wait refuses no job");
}

static void test_log(void)
{
	struct disagg_prolog_verdict verdict;

	forget();
	check("");
	put(log_path, "6,1,1000,-;hello\n"
		      "3,2,2000,-;NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus\n");
	verdict = check("");
	ok(verdict.bad && verdict.cached, "an Xid since the last check");
	has_str(verdict.text, "GPU has fallen off the bus (reboot_node): NVRM: Xid", "says what");
	verdict = check("");
	ok(!verdict.bad && !verdict.cached, "is told once, and NVML is asked again");
	put(log_path, "3,3,3000,-;NVRM: Xid (PCI:0000:01:00): 31, pid=1, name=a, fault\n"
		      "11,4,3001,-;NVRM: Xid (PCI:0000:01:00): 79, of user space\n"
		      "3,5,3002,-;Out of memory: Killed process 7 (a) total-vm:1kB\n");
	ok(!check("").bad, "a program's fault, a spoof and the OOM killer refuse no job");
}

static void test_open(void)
{
	struct disagg_prolog_verdict verdict;

	forget();
	verdict = check("no-driver");
	ok(!verdict.bad, "a node without a driver takes jobs");
	forget();
	verdict = check("mismatch");
	ok(!verdict.bad, "a driver that cannot be asked refuses none");
	has_str(verdict.unknown, "GPUs: ", "but is told of");
	forget();
	verdict = check("nvml-crash");
	ok(!verdict.bad, "a driver's library that crashes refuses none");
	has_str(verdict.unknown, "GPUs: signal 11", "but is told of");
	forget();
	put(log_path, "3,9,3002,-;NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus\n");
	verdict = check("nvml-hang");
	ok(verdict.bad, "what the log says is known though NVML hangs");
	has_str(verdict.unknown, "GPUs: no answer within 1000 ms", "and that too");
	forget();
	unlink(log_path);
	verdict = check("");
	ok(!verdict.bad, "no kernel log refuses none");
	has_str(verdict.unknown, "kernel log: ", "but is told of");
	put(log_path, "");
}

static void test_cache(void)
{
	static const char *const bad[] = {"", "{}", "[1,", "{\"schema\":\"disagg.prolog/1\"}",
		"{\"schema\":\"disagg.prolog/1\",\"good\":true,\"checked\":1e18,\"boot_id\":\"x\","
		"\"kmsg_seq\":-4}"};
	struct disagg_prolog_verdict verdict;
	struct stat about;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		put(cache_path, bad[i]);
		chmod(cache_path, 0600);
		ok(check("ecc gpu=1").bad, "a broken file is not believed");
	}
	check("");
	ok(stat(cache_path, &about) == 0 && (about.st_mode & 077) == 0, "the file is ours alone");
	chmod(cache_path, 0666);
	ok(check("ecc gpu=1").bad, "one that others may write is not believed");
	check("");
	chmod(folder, 0777);
	verdict = check("ecc gpu=1");
	ok(verdict.bad && !verdict.cached, "nor one in a folder that others may write to");
	has_str(verdict.unknown, "is not ours alone", "which is told");
	chmod(folder, 0755);
	forget();
	if (symlink("/etc/passwd", cache_path) == 0) {
		verdict = check("");
		ok(lstat(cache_path, &about) == 0 && S_ISREG(about.st_mode),
			"a link is replaced, not followed");
	}
}

int main(int argc, char **argv)
{
	char command[96], libraries[512];
	int rc;

	if (!getenv("TEST_STUBS")) { /* the loader reads its path at the start */
		snprintf(libraries, sizeof(libraries), "%.*s/../stubs",
			(int)(strrchr(argv[0], '/') - argv[0]), argv[0]);
		setenv("LD_LIBRARY_PATH", libraries, 1);
		setenv("TEST_STUBS", "1", 1);
		execv("/proc/self/exe", argv);
		return 1;
	}
	(void)argc;
	if (!mkdtemp(top))
		return 1;
	snprintf(folder, sizeof(folder), "%s/run", top);
	snprintf(log_path, sizeof(log_path), "%s/kmsg", top);
	snprintf(cache_path, sizeof(cache_path), "%s/prolog.json", folder);
	setenv("STUB_GPUS", "4", 1);
	test_good();
	test_soft();
	test_log();
	test_open();
	test_cache();
	snprintf(command, sizeof(command), "rm -rf %s", top);
	rc = system(command);
	return tap_done() || rc;
}
