/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/kmsg.h"

#include <string.h>

static const char *const class_names[] = {
	"other", "xid", "map", "nvlink", "aer", "oom", "mce", "nic", "disk", "hung"};

const char *disagg_kmsg_class_name(enum disagg_kmsg_class cls)
{
	return class_names[cls];
}

/*
 * Messages of Linux and its drivers.  Each begins as said, so that what a user
 * chooses (a process's name, a file's) is behind it.
 */
struct row {
	bool device;	   /* behind "DRIVER 0000:1b:00.0: ", as dev_printk writes it */
	const char *begin; /* of the rest */
	const char *has;   /* further on; NULL */
	int most_priority; /* 0 emergency to 7 debug; only what is at most so high counts */
	enum disagg_kmsg_class cls;
	struct disagg_xid_verdict verdict;
};

#define VERDICT(drain_, blame_, cls_, impact_, action_, text_)                                     \
	{                                                                                          \
		.drain = DISAGG_DRAIN_##drain_, .attribution = DISAGG_BLAME_##blame_,              \
		.cls = (cls_), .impact = (impact_), .action = (action_), .text = (text_),          \
		.by = "table"                                                                      \
	}

#define OOM	  VERDICT(NEVER, USER, "oom_host", "kills", "none", "a process was killed for memory")
#define AER_FATAL VERDICT(AFTER_JOB, INFRA, "pcie", "kills", "inspect", "a fatal PCIe error")
#define AER_NONFATAL                                                                               \
	VERDICT(AFTER_REPEAT, INFRA, "pcie", "maybe", "inspect", "an uncorrected PCIe error")
#define AER_CORRECTED VERDICT(NEVER, NONE, "pcie", "none", "none", "a corrected PCIe error")
#define MCE	      VERDICT(AFTER_REPEAT, INFRA, "cpu_memory", "maybe", "inspect", "a machine check")
#define MEMORY                                                                                     \
	VERDICT(AFTER_JOB, INFRA, "cpu_memory", "kills", "inspect", "an uncorrected memory error")
#define NVLINK VERDICT(AFTER_REPEAT, INFRA, "nvlink", "maybe", "inspect", "an error of NVLink")
#define NIC                                                                                        \
	VERDICT(AFTER_REPEAT, INFRA, "fabric", "maybe", "inspect", "an error of a network adapter")
#define DISK VERDICT(AFTER_REPEAT, INFRA, "storage", "maybe", "inspect", "an error of a disk")
#define HUNG VERDICT(AFTER_REPEAT, AMBIGUOUS, "hung", "maybe", "inspect", "a task that hangs")

static const struct row rows[] = {
	{false, "Out of memory: Kill", NULL, 7, DISAGG_KMSG_OOM, OOM},
	{false, "Memory cgroup out of memory: Kill", NULL, 7, DISAGG_KMSG_OOM, OOM},
	/* comes with the one before it, and says in which cgroup */
	{false, "oom-kill:constraint=CONSTRAINT_MEMCG", NULL, 7, DISAGG_KMSG_OOM, OOM},
	{true, "PCIe Bus Error: severity=", "(Fatal)", 7, DISAGG_KMSG_AER, AER_FATAL},
	{true, "PCIe Bus Error: severity=Uncorrect", NULL, 7, DISAGG_KMSG_AER, AER_NONFATAL},
	{true, "PCIe Bus Error: severity=Correct", NULL, 7, DISAGG_KMSG_AER, AER_CORRECTED},
	{false, "Memory failure: 0x", NULL, 7, DISAGG_KMSG_MCE, MEMORY},
	{false, "EDAC MC", " UE ", 7, DISAGG_KMSG_MCE, MEMORY},
	{false, "mce: [Hardware Error]: CPU ", "Machine Check", 7, DISAGG_KMSG_MCE, MCE},
	{false, "nvidia-nvlink", NULL, 3, DISAGG_KMSG_NVLINK, NVLINK},
	{false, "nvidia-nvswitch", NULL, 3, DISAGG_KMSG_NVLINK, NVLINK},
	{true, "", "health compromised", 7, DISAGG_KMSG_NIC, NIC},
	{true, "", "Port module event[error]", 7, DISAGG_KMSG_NIC, NIC},
	{true, "", "Fatal error detected", 3, DISAGG_KMSG_NIC, NIC},
	{false, "nvme nvme", " timeout, ", 7, DISAGG_KMSG_DISK, DISK},
	{false, "nvme nvme", "controller is down", 7, DISAGG_KMSG_DISK, DISK},
	{false, "I/O error, dev ", NULL, 7, DISAGG_KMSG_DISK, DISK},
	{false, "blk_update_request: I/O error, dev ", NULL, 7, DISAGG_KMSG_DISK, DISK},
	{false, "Buffer I/O error on dev", NULL, 7, DISAGG_KMSG_DISK, DISK},
	{false, "EXT4-fs error (device ", NULL, 7, DISAGG_KMSG_DISK, DISK},
	{false, "INFO: task ", " blocked for more than ", 7, DISAGG_KMSG_HUNG, HUNG},
	{false, "watchdog: BUG: soft lockup", NULL, 7, DISAGG_KMSG_HUNG, HUNG},
};

/* The message behind "DRIVER 0000:1b:00.0: "; NULL where it does not begin so. */
static const char *behind_device(const char *text, char *pci, size_t size)
{
	const char *bus = text + strcspn(text, " ");
	size_t len;

	if (bus == text || *bus != ' ')
		return NULL;
	bus++;
	len = strspn(bus, "0123456789abcdef:.");
	if (len < 2 || len > size || bus[len - 1] != ':' || bus[len] != ' ' ||
		!memchr(bus, '.', len))
		return NULL;
	memcpy(pci, bus, len - 1);
	pci[len - 1] = '\0';
	return bus + len + 1;
}

static bool fits(
	const struct row *row, const struct disagg_kmsg_record *record, char *pci, size_t size)
{
	const char *rest = record->text;

	if (record->priority > row->most_priority)
		return false;
	if (row->device)
		rest = behind_device(rest, pci, size);
	if (rest && row->device && strncmp(rest, "AER: ", 5) == 0) /* some releases of Linux */
		rest += 5;
	if (!rest || strncmp(rest, row->begin, strlen(row->begin)) != 0)
		return false;
	return !row->has || strstr(rest + strlen(row->begin), row->has);
}

bool disagg_kmsg_classify(const struct disagg_xid_table *table,
	const struct disagg_kmsg_record *record, unsigned driver_major,
	struct disagg_kmsg_finding *ret)
{
	struct disagg_kmsg_finding finding = {.cls = DISAGG_KMSG_OTHER};

	if (disagg_xid_line(record->text, record->len, &finding.event)) {
		finding.cls =
			finding.event.kind == DISAGG_XID_MAP ? DISAGG_KMSG_MAP : DISAGG_KMSG_XID;
		if (table)
			finding.verdict = disagg_xid_judge(table, &finding.event, driver_major);
		*ret = finding;
		return true;
	}
	finding.event =
		(struct disagg_xid_event){.code = -1, .pid = -1, .link = -1, .recovery = -1};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (!fits(&rows[i], record, finding.event.pci, sizeof(finding.event.pci)))
			continue;
		if (!rows[i].device)
			finding.event.pci[0] = '\0';
		finding.cls = rows[i].cls;
		finding.verdict = rows[i].verdict;
		*ret = finding;
		return true;
	}
	return false;
}
