/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/kernlog.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool good)
{
	if (!good)
		abort();
}

static const struct disagg_xid_table *table_once(void)
{
	static struct disagg_arena arena = DISAGG_ARENA_INIT;
	static struct disagg_xid_table *table;
	struct disagg_err err = DISAGG_ERR_INIT;

	if (!table)
		need(disagg_xid_load(&arena, NULL, &table, &err) == 0);
	return table;
}

/* A code stands where the driver puts it, whatever follows. */
static void line(const char *text, size_t len)
{
	struct disagg_xid_event event;

	if (!disagg_xid_line(text, len, &event))
		return;
	need(event.kind != DISAGG_XID_NONE);
	need(strlen(event.pci) < sizeof(event.pci) && strlen(event.name) <= 15);
	need(event.kind == DISAGG_XID_MAP || event.code >= 0);
	need(strncmp(text, "NVRM: ", 6) == 0 || strncmp(text, "nvidia-nvswitch", 15) == 0);
	need(disagg_xid_judge(table_once(), &event, 575).drain <= DISAGG_DRAIN_NOW);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_kernlog_window window = {0};
	struct disagg_kernlog found = {0};
	static struct disagg_kmsg log;

	line((const char *)data, size);
	memset(&log, 0, sizeof(log));
	log.fd = -1;
	log.at = (const char *)data;
	log.end = log.at + size;
	need(disagg_kernlog_read(&arena, &log, table_once(), 0, &window, &found, &err) == 0);
	need(found.count <= DISAGG_KERNLOG_MOST);
	for (size_t i = 0; i < found.count; i++)
		need(found.entry[i].records >= found.entry[i].events &&
			found.entry[i].finding.verdict.drain <= DISAGG_DRAIN_NOW);
	disagg_arena_release(&arena);
	return 0;
}
