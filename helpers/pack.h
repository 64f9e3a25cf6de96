/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HELPERS_PACK_H
#define DISAGG_HELPERS_PACK_H

#include "helpers/helper.h"
#include "lib/base/hostlist.h"
#include "lib/diag/bundle.h"
#include "lib/diag/machine.h"
#include "lib/diag/redact.h"
#include "lib/diag/tree.h"
#include "lib/host/state.h"

/*
 * disagg-pack: each node leaves its part, parts/NODE/ in the run directory; one
 * packer merges what is there into the archive.
 */
#define PACK_PARTS    "parts"
#define PACK_MANIFEST "manifest.json" /* of the archive, and of each part */
#define PACK_SLURM    "scontrol.txt"  /* what Slurm says of the job, while it knows it */

struct pack {
	struct disagg_arena arena;
	const char *run_dir;  /* absolute */
	const char *not_here; /* the run directory that run_dir stands in for; NULL: none */
	const char *not_why;
	const char *not_instead; /* why there is no stand-in: "'/tmp/disagg-1' is ..." */
	const char *out_dir;	 /* where the archive goes */
	const char *spare;	 /* and where that has no room; NULL */
	const char *job_id;
	const char *run_id; /* "1234", and "1234.2" after the second restart */
	int restart;	    /* of the job, of this run; 0: its first */
	int restarts; /* Slurm's count at its end; over `restart` it was requeued; -1: not told */
	const char *node;	      /* this one */
	const char *stage;	      /* of the part: "run" while the job runs, "end" after it */
	bool any_stage;		      /* a part of either does */
	struct disagg_hostlist nodes; /* whose parts are expected; may be empty */
	enum disagg_machine_mode mode;
	enum disagg_bundle_format format;
	const char *job_exit;		  /* SLURM_JOB_EXIT_CODE; NULL or "": not told */
	int status;			  /* PACK_SUCCESS, PACK_FAILURE, PACK_BY_STATE */
	uint64_t file_bytes, total_bytes; /* caps */
	size_t files;
	int wait_s;	  /* for parts of other nodes */
	int64_t until_ns; /* our own end, CLOCK_MONOTONIC; 0: none */
	int kernel_fd;	  /* kernel log lines by pipe; -1 */
	int keep;	  /* archives of this folder that stay; 0: all */
	int keep_days;	  /* 0: for ever */
	bool quiet;

	bool has_state;
	struct disagg_state state;
	int run_fd, parts_fd; /* of run_dir and its parts; -1 */
	struct disagg_tree_limits limits;
	struct disagg_tree tree, parts; /* of both */
	const char *path;		/* of the archive */
};

enum { PACK_BY_STATE, PACK_SUCCESS, PACK_FAILURE };

extern const struct helper pack_helper;

/* To stderr, "disagg-pack: ..."; nothing where the pack is quiet. */
void pack_say(const struct pack *pack, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

int64_t pack_now_ns(void);

/* run_dir, state.json, the job and which run of it.  The caller is its owner by now. */
int pack_open(struct pack *pack, struct disagg_err *err);

/* ---- pack-where.c: whose run, and where ---- */

enum pack_whose {
	PACK_OF_ANY,	/* a job's number, or a run directory that is there */
	PACK_OF_PART,	/* the same; a path that is not there on this node gets a stand-in */
	PACK_OF_EPILOG, /* a path; the run directory is made where it is not there */
};

/*
 * run_dir and out_dir, from a job's number or a folder; root becomes the owner of the run.
 * Where the run directory is not on this node and cannot be made, a part goes to
 * disagg-JOB in `spare`, else in /tmp: a folder that is this user's alone to write, open in
 * run_fd.  Root's has no such place.  As an epilog cannot see there which run of the job it
 * is of, it takes the first of disagg-JOB.N without a part of this node's, N being the count
 * of restarts less one, or that count.
 * DISAGG_MISSING: neither is there.
 */
int pack_find(struct pack *pack, const char *word, enum pack_whose whose, struct disagg_err *err);
/* 0 where it holds what disagg-run, the plugin or an epilog leaves: any folder could be
 * named.  DISAGG_MISSING. */
int pack_check_run(struct pack *pack, struct disagg_err *err);
/* job_id, where it is not known, and restart from the run directory's name: disagg-JOB or
 * LOG_DIR/JOB, with .N after the N-th restart (disagg_run_dir). */
void pack_read_name(struct pack *pack);
const char *pack_this_node(struct disagg_arena *arena);
/* pack->nodes: those that state.json tells of, or those that disagg-run has left. */
void pack_nodes_of_state(struct pack *pack);
int pack_nodes_of_run(struct pack *pack, struct disagg_err *err);

/* ---- pack-hook.c: called by root in an epilog ---- */

struct pack_hook {
	int deadline_s;
	const char *const *pass; /* options for the packer; ends with NULL */
};

/*
 * From the epilog's environment (SLURM_JOB_ID, SLURM_JOB_UID, SLURM_JOB_NODELIST or
 * SLURM_NODELIST, SLURMD_NODENAME, SPANK_DISAGG_RUN_DIR): starts `disagg-pack --epilog` as the
 * job's user and a reader of the kernel log as root, with a pipe between, and ends both at the
 * deadline.  Root opens nothing below the user's path.  A job without --disagg-config: 0.
 *
 * Where SLURM_JOB_START_TIME does not tell when the job began, the reader takes the last hour
 * and is not told SLURM_JOB_GPUS: a process on these GPUs may have been another job's then.
 * Of shards that variable has the GPU (gres/shard), which others use meanwhile, and nothing in
 * the environment tells these from whole GPUs: on such nodes a process of another user that
 * met an Xid there and is gone can be named.
 */
int pack_hook(const struct pack_hook *hook, struct disagg_err *err);

/* ---- pack-kernel.c ---- */

struct pack_kernel {
	const char *path; /* a log that was saved; NULL: /dev/kmsg */
	int64_t since_s;
	int64_t uid;	  /* whose processes may be named; -1: anybody's */
	const char *job;  /* NULL */
	const char *gpus; /* the job's, as SLURM_JOB_GPUS has them; NULL */
};

/* What the kernel has said of GPUs, memory, PCIe and disks since then, a line each, to
 * stdout: no other line of its log leaves root's hands, and of those nobody else's process
 * (kernowner.h). */
int pack_kernel_lines(const struct pack_kernel *how, struct disagg_err *err);

/* ---- pack-slurm.c ---- */

/*
 * PACK_SLURM into the run directory, where a later packer and the diagnosis find it; not
 * in an epilog, which must not ask Slurm.  Where Slurm does not answer, or there is no
 * room, it is not there.
 */
void pack_ask_slurm(struct pack *pack);

/* ---- pack-part.c: what this node adds ---- */

/*
 * parts/NODE.STAGE/, by rename; one that is there stays (and that is said).  Its
 * PACK_MANIFEST (schema disagg.part/1) has node, stage, job and each file with its size and
 * SHA-256, so that parts which are brought together by hand tell what they are.
 */
int pack_part(struct pack *pack, struct disagg_err *err);

/* ---- pack-merge.c: the archive ---- */

/* Waits for the parts, then writes and publishes; pack->path is set. */
int pack_merge(struct pack *pack, struct disagg_err *err);

/* ---- pack-members.c: what goes in ---- */

struct pack_missed {
	const char *name, *why;
};

/* What disagg-diagnose says of the run. */
struct pack_diagnosis {
	bool asked;
	const char *text; /* NULL: it did not come to an end, and `why` */
	const char *json;
	size_t json_len;
	struct disagg_err why;
};

struct pack_masked {
	size_t member; /* of the bundle */
	uint64_t count;
};

struct pack_run {
	struct pack *pack;
	struct disagg_bundle *bundle;
	bool small; /* little space: heads and tails only */
	struct pack_missed *missed;
	size_t missed_count, missed_room;
	size_t missed_over;
	const char **missing_node;
	size_t missing_count;
	struct pack_diagnosis diagnosis;
	struct disagg_strbuf summary;
	struct disagg_redactor *redactor;
	struct disagg_bundle_filter mask; /* by it */
	struct pack_masked *masked;	  /* members in which something was, in their order */
	size_t masked_count, masked_room;
	bool success;
	int64_t end_s;
};

/* All members but the first; */
int pack_members(struct pack_run *run, struct disagg_err *err);
/* Why a file of the run directory is no member; "": it is not worth a word; NULL: it is one. */
const char *pack_refuses(const struct disagg_tree_file *file);
/* A name and why it is not in the archive; kept to a bound. */
void pack_miss(struct pack_run *run, const char *name, const char *why);

/* ---- pack-mask.c: secrets, and how many of them each member had ---- */

/* run->mask, with nothing counted; before each archive. */
int pack_mask_begin(struct pack_run *run, struct disagg_err *err);
/* Of a text that becomes the next member. */
void pack_mask_text(struct pack_run *run, char *text, size_t len);
void pack_mask_end(struct pack_run *run);

/* ---- pack-summary.c ---- */

/* run->summary: what happened, a page for people. */
int pack_summary(struct pack_run *run, struct disagg_err *err);
/* diagnosis.json, after the summary; nothing where there is none. */
int pack_put_diagnosis(struct pack_run *run, struct disagg_err *err);

/* ---- pack-manifest.c ---- */

int pack_manifest(struct pack_run *run, struct disagg_err *err);

/* ---- pack-publish.c ---- */

struct pack_target {
	int dir_fd, fd;
	char name[300];	     /* job_1_failure_20261126.tar.gz */
	char temporary[360]; /* while it is written */
};

int pack_target_open(
	struct pack *pack, const char *name, struct pack_target *ret, struct disagg_err *err);
/* Whole and on the disk, then under its name in one step. */
int pack_target_publish(struct pack *pack, struct pack_target *target, struct disagg_err *err);
void pack_target_drop(struct pack_target *target);
/* Archives of this user in out_dir that are over keep or older than keep_days. */
void pack_retire(const struct pack *pack, const struct pack_target *target);
/* Bytes free for this user in out_dir. */
uint64_t pack_free_bytes(const struct pack_target *target);

#endif
