/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_XID_TABLE_H
#define DISAGG_DIAG_XID_TABLE_H

#include "lib/diag/xid.h"

/* What xid.c reads and xid_judge.c decides by. */

struct disagg_xid_rule { /* of nvlink5_rules */
	int xid;
	const char *unit; /* "NETIR_LINK_EVT/NETIR_LINK_DOWN": either */
	const char *v1, *v2;
	uint32_t status;
	const char *resolution, *investigate;
};

struct disagg_xid_rows {
	struct disagg_xid_row *row; /* by code */
	size_t count;
};

struct disagg_xid_table {
	const char *version;
	struct disagg_xid_rows xids, sxids;
	struct disagg_xid_rule *rule;
	size_t rule_count;
	struct disagg_xid_recovery *recovery;
	size_t recovery_count;
	struct disagg_xid_recovery other; /* of an action that is not known */
	struct disagg_xid_repeat repeat;
};

#endif
