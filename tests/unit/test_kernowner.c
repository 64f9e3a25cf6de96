/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a kernel's log that name a process, for the user 1000 and the job 42. */
#include "lib/diag/kernowner.h"
#include "tap.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMCG                                                                                      \
	"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg="
#define SCOPE "/system.slice/slurmstepd.scope/job_"
#define VICTIM(job, name, pid, uid)                                                                \
	MEMCG SCOPE job ",task_memcg=" SCOPE job "/step_0/user/task_0,task=" name ",pid=" pid      \
			",uid=" uid
#define KILLED(name, pid, uid)                                                                     \
	"Memory cgroup out of memory: Killed process " pid " (" name                               \
	") total-vm:912kB, anon-rss:7kB, file-rss:0kB, shmem-rss:0kB, UID:" uid                    \
	" pgtables:16kB oom_score_adj:0"

#define BAD_PAGE "Memory failure: 0x12345: "
#define CORRUPT	 " due to hardware memory corruption"
#define EXT4	 "EXT4-fs error (device sda1): ext4_lookup:1815: inode #2: comm "

#define WIDE5	"\\xd0\\xbf\\xd1\\x80\\xd0"
#define WIDE	WIDE5 WIDE5 WIDE5
#define STARS20 "********************"
#define STARS60 STARS20 STARS20 STARS20

#define KILLED_OLD(name, pid)                                                                      \
	"Memory cgroup out of memory: Killed process " pid " (" name                               \
	") total-vm:912kB, anon-rss:7kB, file-rss:0kB, shmem-rss:0kB"

/* after NULL: the line is left out; "": it stays as it is */
static const struct {
	const char *text, *after, *what;
} rows[] = {
	/* of one another, in this order */
	{VICTIM("42", "python3", "81", "1000"), "", "the job's own victim"},
	{KILLED("python3", "81", "1000"), "", "and its end"},
	{VICTIM("42", "daemon", "82", "0"), "", "root's, in the job's cgroup"},
	{KILLED("daemon", "82", "0"), "", "and its end, by the line before"},
	{VICTIM("7", "secret", "83", "1001"), NULL, "another user's limit"},
	{KILLED("secret", "83", "1001"), NULL, "and its end"},
	{VICTIM("7", "secret", "84", "0"), NULL, "root's, in another job"},
	{KILLED("secret", "84", "0"), NULL, "and its end, by the line before"},
	{VICTIM("421", "x", "85", "1001"), NULL, "a job whose number begins alike"},
	{VICTIM("7", "a,uid=1000", "86", "1001"), NULL, "a name that looks like a user"},
	{VICTIM("7", ",task=/job_42/", "86", "1001"), NULL, "a name that looks like a cgroup"},
	{VICTIM("7", "own", "87", "1000"), NULL, "another job of this user"},
	{KILLED("own", "87", "1000"), NULL, "and its end"},
	{KILLED("other", "88", "1001"), NULL, "another victim than that one"},
	{KILLED("own", "89", "1000"), NULL, "one killed with it"},
	/* a whole cgroup */
	{VICTIM("42", "python3", "100", "1000"), "", "the job's victim, of a group"},
	{KILLED("python3", "100", "1000"), "", "its end"},
	{KILLED("python3", "101", "1000"), "", "the user's, killed with it"},
	{KILLED("mapped", "102", "100000"), KILLED("******", "***", "100000"),
		"one of another number in the job's group"},
	{KILLED("helper", "103", "0"), KILLED("******", "***", "0"), "root's in the job's group"},
	{KILLED_OLD("helper", "104"), KILLED_OLD("******", "***"),
		"one of a kernel that does not tell the user, in the job's group"},
	{KILLED("daemon", "100", "0"), "", "the victim once more"},
	{VICTIM("7", "daemon", "110", "0"), NULL, "the victim of another job's group"},
	{KILLED("daemon", "110", "0"), NULL, "its end, in that group"},
	{KILLED("slurmstepd", "111", "0"), NULL, "root's in another job's group"},
	{KILLED("secret", "112", "1001"), NULL, "another user's in that group"},
	{KILLED_OLD("secret", "113"), NULL, "one whose user is not told, in that group"},
	{KILLED("a UID:1000", "114", "1001"), NULL, "a name that looks like the end of a line"},
	{MEMCG "/x", NULL, "a form without a victim"},
	{KILLED("own", "89", "1000"), "", "the user's, of which no line was before"},
	{KILLED("slurmstepd", "115", "0"), NULL, "root's, of which no line was before"},
	{KILLED_OLD("a UID:1000", "116"), KILLED_OLD("**********", "***"),
		"such a name where the user is not told"},
	/* a node that has no memory */
	{"Out of memory: Killed process 90 (secret) total-vm:1kB, UID:1001 pgtables:1kB",
		"Out of memory: Killed process ** (******) total-vm:1kB, UID:1001 pgtables:1kB",
		"another user's process on a full node"},
	{"Out of memory: Killed process 90 (se) UID:10) total-vm:1kB, UID:1001 pgtables:1kB",
		"Out of memory: Killed process ** (**********) total-vm:1kB, UID:1001 pgtables:1kB",
		"one with brackets in its name"},
	{"Out of memory: Killed process 90 (sshd) total-vm:1kB, UID:0 pgtables:1kB", "",
		"the system's"},
	{"Out of memory: Killed process 90 (" WIDE ") total-vm:1kB, UID:1001 pgtables:1kB",
		"Out of memory: Killed process ** (" STARS60
		") total-vm:1kB, UID:1001 pgtables:1kB",
		"one of 15 bytes that are not ASCII"},
	{"Out of memory: Killed process 90 (\\xd0\\xbf) \\x5cx) total-vm:1kB, UID:1001",
		"Out of memory: Killed process ** (***************) total-vm:1kB, UID:1001",
		"one with brackets behind such bytes"},
	{"Out of memory: Killed process 90 (python3) total-vm:1kB, UID:1000", "", "the user's own"},
	{"Out of memory: Killed process 90 (0123456789abcdef) total-vm:1kB, UID:1001", NULL,
		"a name that does not end"},
	{"Out of memory: Kill process 90 (x) score 9 or sacrifice child",
		"Out of memory: Kill process ** (*) score 9 or sacrifice child",
		"of a kernel that does not tell the user"},
	/* a GPU */
	{"NVRM: Xid (PCI:0000:1b:00): 31, pid=91, name=python3, Ch 00000010", "", "the job's GPU"},
	{"NVRM: Xid (PCI:0000:2a:00): 31, pid=91, name=secret, Ch 00000010",
		"NVRM: Xid (PCI:0000:2a:00): 31, pid=**, name=******, Ch 00000010", "another GPU"},
	{"NVRM: Xid (PCI:0000:2a:00): 31, pid=91, name=secret",
		"NVRM: Xid (PCI:0000:2a:00): 31, pid=**, name=******", "with nothing behind"},
	{"NVRM: Xid (PCI:0000:2a:00): 31, pid=91, name=" WIDE ", Ch 00000010",
		"NVRM: Xid (PCI:0000:2a:00): 31, pid=**, name=" STARS60 ", Ch 00000010",
		"a name that is not ASCII"},
	{"NVRM: Xid (PCI:0000:2a:00): 31, pid=91, name=a, topsecret, Ch 00000010",
		"NVRM: Xid (PCI:0000:2a:00): 31, pid=**, name=************, Ch 00000010",
		"a name with a comma"},
	{"NVRM: Xid (PCI:0000:2a:00): 31, pid=91, name=a, topsecret",
		"NVRM: Xid (PCI:0000:2a:00): 31, pid=**, name=************",
		"the same with nothing behind"},
	{"NVRM: Xid (PCI:0000:2a:00): 31, pid='<unknown>', name=<unknown>, Ch 00000010",
		"NVRM: Xid (PCI:0000:2a:00): 31, pid='<unknown>', name=*********, Ch 00000010",
		"a process that the driver does not know"},
	{"NVRM: Xid (PCI:0000:2a:00): 31, pid=91, name=0123456789abcdef, Ch 00000010", NULL,
		"a name that does not end"},
	{"NVRM: Xid (PCI:0000:2a:00): 79, GPU has fallen off the bus.", "", "no process"},
	{"NVRM: Xid (PCI:0000:1b:00): 31, pid=1001, name=secret, Ch 00000010",
		"NVRM: Xid (PCI:0000:1b:00): 31, pid=****, name=******, Ch 00000010",
		"another user's that is still there"},
	/* what hangs is there */
	{"INFO: task python3:1000 blocked for more than 120 seconds.", "", "the user's"},
	{"INFO: task kworker/u8:1:1 blocked for more than 120 seconds.", "", "the kernel's"},
	{"INFO: task a:b:1001 blocked for more than 120 seconds.",
		"INFO: task ***:**** blocked for more than 120 seconds.", "another user's"},
	{"INFO: task " WIDE ":1001 blocked for more than 120 seconds.",
		"INFO: task " STARS60 ":**** blocked for more than 120 seconds.",
		"one that is not ASCII"},
	{"INFO: task gone:1002 blocked for more than 120 seconds.",
		"INFO: task ****:**** blocked for more than 120 seconds.", "one that is gone"},
	{"watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [secret:1001]",
		"watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [******:****]", "on a CPU"},
	/* memory and disks */
	{BAD_PAGE "Sending SIGBUS to python3:1000" CORRUPT, "", "the user's, of a bad page"},
	{BAD_PAGE "Sending SIGBUS to Killing x:1001" CORRUPT,
		BAD_PAGE "Sending SIGBUS to *********:****" CORRUPT, "another user's"},
	{BAD_PAGE "Killing topsecret:4242" CORRUPT, BAD_PAGE "Killing *********:****" CORRUPT,
		"one that is gone"},
	{BAD_PAGE "forcibly killing topsecret:4242 because of failure",
		BAD_PAGE "forcibly killing *********:**** because of failure", "by force"},
	{BAD_PAGE "Killing 0123456789abcdef:4242" CORRUPT, NULL, "a name that does not end"},
	{BAD_PAGE "recovery action for dirty LRU page: Recovered", "", "no process, of a page"},
	{EXT4 "topsecret: deleted inode referenced: 12",
		EXT4 "*********: deleted inode referenced: 12", "of a file system"},
	{EXT4 "a: topsecret: deleted inode", EXT4 "************: deleted inode",
		"one with a colon in its name"},
	{EXT4 WIDE ": deleted inode", EXT4 STARS60 ": deleted inode", "one that is not ASCII"},
	{EXT4 "topsecret: path /home/x: bad entry", EXT4 "*********: ***********************",
		"with a file's path"},
	{EXT4 "topsecret: '0' linked to parent dir", EXT4 "*********: ************************",
		"with a file's name"},
	{EXT4 "0123456789abcdef: deleted inode", NULL, "a name that does not end there"},
	{"EXT4-fs error (device sda1) in ext4_evict_inode:1: Journal has aborted", "",
		"no process, of a file system"},
	/* a form that is not known */
	{"INFO: task none blocked for more than 120 seconds.", NULL, "none that can be read"},
	{"mce: [Hardware Error]: CPU 3: Machine Check: 0 Bank 7: 8c00", "", "the machine's"},
};

static char proc[] = "/tmp/disagg-kernowner.XXXXXX";

static void put_process(const char *pid, uid_t uid)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", proc, pid);
	if (mkdir(path, 0755) != 0 || chown(path, uid, (gid_t)-1) != 0)
		printf("# cannot make '%s'\n", path);
}

static void drop_process(const char *pid)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", proc, pid);
	rmdir(path);
}

static bool mask(struct disagg_kernowner *owner, const char *text, char *ret, size_t size)
{
	struct disagg_kmsg_record record = {.priority = 3, .text = text, .len = strlen(text)};
	struct disagg_kmsg_finding finding;

	snprintf(ret, size, "%s", text);
	if (!disagg_kmsg_classify(NULL, &record, 0, &finding)) {
		ok(false, "the line is about something");
		return true;
	}
	return disagg_kernowner_mask(owner, &finding, ret);
}

static void test_rows(void)
{
	static const char *const pci[] = {"0000:1a:00.0", "0000:1b:00.0"};
	struct disagg_kernowner owner = {
		.uid = 1000, .job = "42", .pci = pci, .pci_count = 2, .proc = proc};
	char text[1024];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool told = mask(&owner, rows[i].text, text, sizeof(text));
		const char *want = !rows[i].after   ? NULL
				   : *rows[i].after ? rows[i].after
						    : rows[i].text;

		is_str(told ? text : NULL, want, rows[i].what);
	}
}

int main(void)
{
	struct disagg_kernowner all = {.uid = -1};
	char text[1024];

	if (!mkdtemp(proc))
		return 1;
	if (geteuid() == 0) {
		put_process("1", 0);
		put_process("1000", 1000);
		put_process("1001", 1001);
		test_rows();
		drop_process("1");
		drop_process("1000");
		drop_process("1001");
	} else {
		ok(true, "rows # SKIP needs root, to make processes of other users");
	}
	rmdir(proc);
	ok(mask(&all, VICTIM("7", "secret", "83", "1001"), text, sizeof(text)), "for root");
	has_str(text, "task=secret,pid=83", "all is told");
	return tap_done();
}
