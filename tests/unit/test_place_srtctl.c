/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/plan.h"
#include "tests/unit/planjob.h"
#include "tests/unit/tap.h"

/*
 * srtctl's allocator, case by case.  Inputs and layouts are facts about
 * NVIDIA/srt-slurm c88ef731 (T: from its tests and documentation, C: from its
 * code).  Where its layout overlaps, over-claims or fails, ours is refused.
 */
enum { SPREAD = 1, COLOCATE = 2 };

static const struct {
	const char *id;
	unsigned workers[3], gpus[3]; /* P, D, A */
	unsigned gpus_per_node, nodes;
	int flags;
	const char *layout; /* NULL: refused */
	const char *reason;
} vectors[] = {
	{"T01", {2, 2, 0}, {2, 2, 8}, 4, 2, 0, "P0=0:0-1 P1=0:2-3 D0=1:0-1 D1=1:2-3", NULL},
	{"T02", {2, 2, 0}, {4, 4, 8}, 4, 4, 0, "P0=0:0-3 P1=1:0-3 D0=2:0-3 D1=3:0-3", NULL},
	{"T03", {1, 1, 0}, {8, 8, 8}, 4, 4, 0, "P0=0:0-3,1:0-3 D0=2:0-3,3:0-3", NULL},
	{"T04", {2, 2, 0}, {8, 8, 8}, 4, 2, 0, NULL,
		"P worker 1 needs 2 nodes of 4 GPUs, but 0 of the 2 worker nodes are left"},
	{"T05", {1, 0, 0}, {1, 1, 8}, 4, 1, 0, "P0=0:0-0", NULL},
	{"T06", {0, 0, 2}, {4, 4, 4}, 4, 2, 0, "A0=0:0-3 A1=1:0-3", NULL},
	{"T07", {1, 2, 0}, {1, 2, 0}, 4, 3, SPREAD, "P0=0:0-0 D0=1:0-1 D1=2:0-1", NULL},
	{"T08", {0, 2, 0}, {0, 2, 0}, 4, 2, 0, "D0=0:0-1 D1=0:2-3", NULL},
	{"T09", {3, 1, 0}, {2, 32, 0}, 4, 11, 0,
		"P0=0:0-1 P1=0:2-3 P2=1:0-1 "
		"D0=2:0-3,3:0-3,4:0-3,5:0-3,6:0-3,7:0-3,8:0-3,9:0-3",
		NULL},
	{"T10", {1, 1, 0}, {2, 4, 0}, 4, 2, 0, "P0=0:0-1 D0=1:0-3", NULL},
	{"T11", {1, 1, 0}, {2, 2, 8}, 4, 1, 0, "P0=0:0-1 D0=0:2-3", NULL},
	{"T12", {1, 0, 0}, {8, 4, 8}, 4, 2, 0, "P0=0:0-3,1:0-3", NULL},
	{"T13", {2, 0, 0}, {2, 2, 8}, 4, 1, 0, "P0=0:0-1 P1=0:2-3", NULL},
	{"T14", {6, 2, 0}, {2, 2, 8}, 8, 2, 0,
		"P0=0:0-1 P1=0:2-3 P2=0:4-5 P3=0:6-7 P4=1:0-1 P5=1:2-3 D0=1:4-5 "
		"D1=1:6-7",
		NULL},
	{"T15", {2, 4, 0}, {8, 4, 0}, 8, 4, 0,
		"P0=0:0-7 P1=1:0-7 D0=2:0-3 D1=2:4-7 D2=3:0-3 D3=3:4-7", NULL},
	{"T16", {4, 1, 0}, {2, 8, 0}, 4, 4, COLOCATE,
		"P0=0:0-1 P1=0:2-3 P2=1:0-1 P3=1:2-3 D0=2:0-3,3:0-3", NULL},
	{"C01", {1, 1, 0}, {4, 8, 0}, 8, 1, 0, NULL, "they would overlap"},
	{"C02", {1, 1, 0}, {4, 4, 0}, 8, 2, 0, "P0=0:0-3 D0=1:0-3", NULL},
	{"C03", {1, 1, 0}, {4, 4, 0}, 8, 1, 0, "P0=0:0-3 D0=0:4-7", NULL},
	{"C04", {1, 1, 0}, {12, 8, 0}, 8, 3, 0, NULL, "srtctl would claim 16"},
	{"C05", {3, 1, 0}, {3, 8, 0}, 8, 4, 0, "P0=0:0-2 P1=0:3-5 P2=1:0-2 D0=2:0-7", NULL},
	{"C06", {5, 1, 0}, {3, 3, 0}, 8, 4, 0,
		"P0=0:0-2 P1=0:3-5 P2=1:0-2 P3=1:3-5 P4=2:0-2 D0=3:0-2", NULL},
	{"C07", {1, 1, 0}, {4, 8, 0}, 8, 2, 0, "P0=0:0-3 D0=1:0-7", NULL},
	{"C08", {2, 2, 0}, {6, 6, 0}, 8, 4, 0, "P0=0:0-5 P1=1:0-5 D0=2:0-5 D1=3:0-5", NULL},
	{"C09", {1, 1, 0}, {16, 4, 0}, 8, 3, 0, "P0=0:0-7,1:0-7 D0=2:0-3", NULL},
	{"C10", {1, 3, 0}, {4, 4, 0}, 8, 2, COLOCATE, "P0=0:0-3 D0=0:4-7 D1=1:0-3 D2=1:4-7", NULL},
	{"C11", {3, 3, 0}, {2, 2, 0}, 8, 2, 0,
		"P0=0:0-1 P1=0:2-3 P2=0:4-5 D0=1:0-1 D1=1:2-3 D2=1:4-5", NULL},
	{"C12", {3, 3, 0}, {2, 2, 0}, 8, 2, COLOCATE,
		"P0=0:0-1 P1=0:2-3 P2=0:4-5 D0=0:6-7 D1=1:0-1 D2=1:2-3", NULL},
	{"C13", {1, 1, 0}, {4, 16, 0}, 8, 2, 0, NULL,
		"D worker 0 needs 2 nodes of 8 GPUs, but 1 of the 2 worker nodes is left"},
	{"C14", {1, 1, 0}, {4, 16, 0}, 8, 2, COLOCATE, NULL,
		"P worker 0 has GPUs: they would overlap"},
	{"C15", {0, 0, 3}, {3, 3, 3}, 8, 2, 0, "A0=0:0-2 A1=0:3-5 A2=1:0-2", NULL},
	{"C16", {0, 0, 0}, {8, 8, 8}, 8, 1, 0, "", NULL},
	{"C17", {1, 1, 0}, {0, 8, 0}, 8, 2, 0, NULL, "role 'P' has 1 worker without GPUs"},
	{"C18", {4, 2, 0}, {1, 2, 0}, 8, 1, 0,
		"P0=0:0-0 P1=0:1-1 P2=0:2-2 P3=0:3-3 D0=0:4-5 D1=0:6-7", NULL},
	{"C19", {2, 2, 0}, {4, 4, 0}, 8, 4, SPREAD, "P0=0:0-3 P1=1:0-3 D0=2:0-3 D1=3:0-3", NULL},
	{"C20", {2, 2, 0}, {4, 4, 0}, 8, 2, SPREAD, NULL,
		"D worker 0 needs 1 node of 8 GPUs, but 0 of the 2"},
	{"C21", {9, 1, 0}, {1, 8, 0}, 8, 3, 0,
		"P0=0:0-0 P1=0:1-1 P2=0:2-2 P3=0:3-3 P4=0:4-4 P5=0:5-5 P6=0:6-6 "
		"P7=0:7-7 P8=1:0-0 D0=2:0-7",
		NULL},
	{"C22", {1, 2, 0}, {8, 2, 0}, 8, 2, 0, "P0=0:0-7 D0=1:0-1 D1=1:2-3", NULL},
	{"C23", {3, 1, 0}, {4, 4, 0}, 8, 2, 0, "P0=0:0-3 P1=0:4-7 P2=1:0-3 D0=1:4-7", NULL},
	{"C24", {1, 1, 0}, {8, 8, 0}, 8, 5, 0, "P0=0:0-7 D0=1:0-7", NULL},
	{"C25", {1, 1, 1}, {2, 2, 2}, 8, 2, 0, "P0=0:0-1 D0=1:0-1 A0=1:2-3", NULL},
	{"C26", {1, 1, 1}, {2, 2, 8}, 8, 3, 0, NULL, "D worker 0 has GPUs: they would overlap"},
	{"C27", {2, 1, 0}, {20, 8, 0}, 8, 7, 0, NULL, "srtctl would claim 24"},
};

static void build(struct planjob *p, size_t row)
{
	static const char *const name[] = {"P", "D", "A"};

	planjob_init(p, DISAGG_RULE_SRTCTL, vectors[row].gpus_per_node);
	p->job.want_nodes = vectors[row].nodes;
	p->job.spread_workers = vectors[row].flags == SPREAD;
	p->job.colocate = vectors[row].flags == COLOCATE;
	for (int i = 0; i < 3; i++)
		planjob_role(p, name[i], (enum disagg_role_kind)i, vectors[row].workers[i],
			vectors[row].gpus[i]);
}

static void test_vectors(void)
{
	struct planjob p;

	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		build(&p, i);
		if (vectors[i].layout) {
			is_int(planjob_make(&p), 0, vectors[i].id);
			if (p.plan) {
				is_str(planjob_text(&p), vectors[i].layout, vectors[i].id);
				is_int(p.plan->nodes, vectors[i].nodes, vectors[i].id);
			}
		} else {
			is_int(planjob_make(&p), -1, vectors[i].id);
			ok(p.plan == NULL, "a refused job leaves the plan alone");
			has_str(planjob_error(&p), vectors[i].reason, vectors[i].id);
		}
		planjob_release(&p);
	}
}

/* het_jobs: two pools of nodes in one allocation */
static void test_pools(void)
{
	struct planjob p;

	planjob_init(&p, DISAGG_RULE_SRTCTL, 4);
	p.job.pools = true;
	p.job.prefill_nodes = 2;
	p.job.want_nodes = 4;
	planjob_role(&p, "P", DISAGG_PREFILL, 2, 2);
	planjob_role(&p, "D", DISAGG_DECODE, 1, 8);
	is_int(planjob_make(&p), 0, "two pools are planned");
	is_str(planjob_text(&p), "P0=0:0-1 P1=0:2-3 D0=2:0-3,3:0-3",
		"decode begins behind the prefill nodes, even unused ones");
	planjob_release(&p);

	planjob_init(&p, DISAGG_RULE_SRTCTL, 4);
	p.job.pools = true;
	p.job.prefill_nodes = 2;
	p.job.want_nodes = 6;
	planjob_role(&p, "P", DISAGG_PREFILL, 2, 8);
	planjob_role(&p, "D", DISAGG_DECODE, 1, 8);
	is_int(planjob_make(&p), -1, "prefill does not spill into the decode pool");
	has_str(planjob_error(&p), "P worker 1 needs 2 nodes of 4 GPUs, but 0 of the 2 P nodes",
		"and the reason names the pool");
	planjob_release(&p);
}

static void test_cites_the_file(void)
{
	struct disagg_origin at = {"recipe.yaml", 21, 17};
	struct planjob p;

	planjob_init(&p, DISAGG_RULE_SRTCTL, 8);
	p.job.want_nodes = 3;
	planjob_role(&p, "prefill", DISAGG_PREFILL, 1, 12);
	disagg_trace_add(&p.job.trace, "resources.gpus_per_prefill", "12", at);
	is_int(planjob_make(&p), -1, "a ragged worker is refused");
	is_str(p.found.count ? p.found.item[0].at.source : NULL, "recipe.yaml", "with the file");
	is_int(p.found.count ? p.found.item[0].at.line : 0, 21, "and the line of the key");
	planjob_release(&p);
}

int main(void)
{
	test_vectors();
	test_pools();
	test_cites_the_file();
	return tap_done();
}
