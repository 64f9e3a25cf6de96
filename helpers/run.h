/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HELPERS_RUN_H
#define DISAGG_HELPERS_RUN_H

#include "helpers/helper.h"
#include "lib/host/inside.h"
#include "lib/host/proc.h"
#include "lib/host/ready.h"
#include "lib/host/state.h"
#include "lib/host/step.h"

/*
 * disagg-run: one loop over signals, the srun clients and a deadline.  What
 * goes wrong first is the verdict; every phase ends as soon as there is one.
 */
#define RUN_MOST_LAUNCHES 16u
#define RUN_TRIES	  3u
#define RUN_LAUNCH_S	  300  /* until a step's task is seen */
#define RUN_CONTAINER_S	  1800 /* the same with an image to fetch and unpack */
#define RUN_GRACE_MS	  10000
#define RUN_KILL_MS	  5000
#define RUN_STAGES	  4u
/* what srun says in a step's log when a node of it has failed */
#define RUN_NODE_FAILURE "srun: error: Node failure on "

/* A worker or a service, and its step. */
struct unit {
	struct disagg_state_unit shown; /* name, state, times: what state.json says */
	const struct disagg_role *conf; /* of the job; NULL: the plan alone has it */
	const struct disagg_plan_role *role;
	const struct disagg_worker *worker; /* or */
	uint32_t service;		    /* index in the plan; UINT32_MAX: a worker */
	const char *role_text;		    /* "decode:1" */
	struct disagg_inside_health health;
	unsigned wave;
	unsigned stage; /* of the end: 0 goes first */
	struct disagg_proc proc;
	bool reaped;	     /* its end is yet to be judged */
	unsigned tries;	     /* of the launch that runs */
	unsigned restarts;   /* left */
	int64_t launched_ns; /* 0: not now */
	int64_t not_before_ns;
	bool wanted;	/* to be started */
	bool told;	/* to end */
	bool done;	/* ended, and not to be started again */
	bool stands_in; /* disagg-bench, for a benchmark whose client is not there */
	bool no_target; /* nothing to ask for readiness */
	bool in_container;
	const char *const *container; /* options for srun */
	const char *container_name;   /* NULL: no other step can share it */
	bool asked;		      /* is among those whose health is watched */
	bool warned, lost;
	int64_t silent_ns; /* no good answer since then; 0: it answers */
	char why[160];
};

/* disagg-node on every node of the plan: one step, told by its input. */
struct run_nodes {
	struct disagg_proc proc;
	int in_fd, out_fd;
	char line[1024]; /* what has come of the next one */
	size_t line_len;
	unsigned checked, held, taken; /* nodes that have said so; the last two of this offset */
	const char **address;	       /* by node */
	int offset;
	unsigned tries;
	int64_t again_ns; /* the next try; 0: none */
	unsigned warnings;
};

struct run {
	struct disagg_arena arena;
	struct disagg_inside in;
	struct disagg_slurm slurm;
	const char *const *envp; /* of steps */
	const char *exec;	 /* path of disagg-exec */
	const char *path;	 /* $PATH */
	struct run_nodes nodes;
	struct unit *unit;
	unsigned unit_count, waves;
	bool told_of_model;
	int signal_fd;
	struct disagg_proc waiter; /* the child that waits for readiness */
	struct disagg_proc probe;  /* step 0 */
	const char *probe_dir;	   /* where its records go */
	struct disagg_proc look;   /* the step that looks for the benchmark's client */
	int waiter_fd;
	bool waiter_done;
	struct disagg_err waiter_err;
	bool watches; /* all are ready, and the child goes on asking */
	int64_t watch_ns;
	int64_t watch_whole_ns;	   /* when it has asked all, and waited for the answers */
	bool watch_hurried;	   /* the one before it had not */
	struct unit **watched;	   /* by target */
	struct disagg_proc sinfo;  /* asks for the nodes */
	struct disagg_proc teller; /* a scancel that signals steps */
	int sinfo_fd;
	int64_t node_check_s, node_check_ns; /* 0: never; the next one */
	bool *node_silent;		     /* by host */
	bool looked;			     /* by run_told_too, in this tick */
	bool pack;			     /* the run where it fails */
	int told;			     /* the signal that told us to end; 0: none */
	int64_t told_ns;
	double told_at;
	struct disagg_state state;
	bool dirty;
	bool moved;   /* a step is up: somebody waits for that */
	bool unnoted; /* one that was started again is up, and its number not known */
	bool serving; /* TERM is a wish then, not a failure */
	bool ending;
	bool slurm_silent; /* at the end: it is not asked again */
	unsigned left;	   /* steps that have not ended, and are Slurm's to end */
	bool state_failed;
	int64_t written_ns;
	int64_t deadline_ns; /* 0: none */
	int64_t margin_s;
	bool live; /* stderr is a terminal */
	bool live_shown;
};

/* ---- run-order.c ---- */

/* Units of the plan, and the wave that each starts in. */
int run_order(struct run *run, struct disagg_err *err);
/* Where each answers, when the ports are known. */
int run_order_health(struct run *run, struct disagg_err *err);
/* The units' hosts anew, when the plan's nodes are others. */
void run_order_hosts(struct run *run);
bool run_is_benchmark(const struct unit *unit);

/* ---- run-dir.c: the run directory, state.json, words for people ---- */

int run_dir_make(struct run *run, struct disagg_err *err);
/* For disagg-shell, when the steps' environment is complete: it starts a step of
 * its own later. */
int run_dir_environment(struct run *run, struct disagg_err *err);
/* Marks state.json as old; run_state_flush writes it now. */
void run_state_touch(struct run *run);
void run_state_flush(struct run *run);
void run_phase(struct run *run, enum disagg_phase phase);
void run_say(struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* How far the phase is, on a line that the next one replaces; on a terminal only. */
void run_live(struct run *run);
void run_warn(struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
double run_now(void);
int64_t run_ns(void);

/* The first one counts; `unit` may be NULL. */
void run_verdict(struct run *run, int code, const struct unit *unit, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void run_verdict_err(struct run *run, const struct unit *unit, const struct disagg_err *err);

/* ---- run-probe.c: step 0, the probes of every host ---- */

/* 0: go on, on the hosts that are left, or there are no probes; -1: there is a verdict. */
int run_probe(struct run *run);

/* ---- run-nodes.c: what each node lacks, and the lease on its ports ---- */

/* For a step on all nodes of the plan: their names where the job has more; NULL: they are
 * all of the job's, or there is no memory. */
const char *run_node_names(struct run *run);

/* Until every node has been looked at and a block of ports is held on all of
 * them; steps started from then on know it.  -1: there is a verdict. */
int run_nodes_hold(struct run *run);
/* Reads what there is once; false: nothing was there. */
bool run_nodes_input(struct run *run);
/* The step's client has ended. */
void run_nodes_ended(struct run *run);
/* Gives the ports back; at the end of all. */
void run_nodes_release(struct run *run);

/* ---- run-steps.c: srun for each unit ---- */

/* Starts what is wanted and may start now; looks which steps are up. */
void run_steps_advance(struct run *run);
/* Step numbers, for state.json and for whoever wants to look into a step. */
void run_steps_note(struct run *run);
/* A srun client has ended. */
void run_step_ended(struct run *run, struct unit *unit);
bool run_is_up(const struct unit *unit);
/* What a step's container is started with; nothing where it has no image. */
int run_put_container(struct run *run, const struct unit *unit, struct disagg_step_call *call,
	struct disagg_err *err);
/* The last line of a log that is the program's own, not Slurm's about it. */
const char *run_last_words(struct run *run, const char *log);
/* After scancel the steps and we are told at the same time: the word to us is
 * the reason, not the end of the steps.  Waits for it a moment, but only once for
 * the ends that a tick has found: many may come together. */
bool run_told_too(struct run *run);

/* ---- run-container.c: pyxis ---- */

/* What each step is told of its container, before any starts.  -1: there is a
 * verdict. */
int run_containers(struct run *run);
/* Whether another step of a node is making the container that the unit shares. */
bool run_container_waits(struct run *run, const struct unit *unit);

/* ---- run-look.c: is the benchmark's client there? ---- */

/* Beside all else; where it is missing and nothing can stand in, that is the
 * verdict.  Where disagg-bench is to stand in it does so outside of the container,
 * which may not have its libraries. */
void run_look_start(struct run *run);
/* Until it has ended. */
void run_look_await(struct run *run);
void run_look_ended(struct run *run);
#define RUN_LOOK_STEP "client-look"

/* ---- run-watch.c: the loop ---- */

int run_watch_open(struct run *run, struct disagg_err *err);
#define RUN_LIVE_NS INT64_C(500000000)
/* Waits at most until `until_ns` for something to happen, and handles it. */
void run_tick(struct run *run, int64_t until_ns);
/* When the job's end, less KillWait and the margin, is. */
void run_deadline(struct run *run);

/* ---- run-ready.c: readiness of waves, in a child ---- */

/* 0: ready; -1: there is a verdict. */
int run_wait_ready(struct run *run, unsigned wave, bool whole);
void run_ready_input(struct run *run);
void run_ready_stop(struct run *run);
/* Whom to ask, without the counts of a frontend; -1: no memory. */
int run_ready_target(
	struct run *run, const struct unit *unit, struct disagg_ready_target *ret_target);
/* The child again, asking for as long as it lives. */
int run_ready_watch(struct run *run, struct disagg_ready_spec *spec, struct disagg_err *err);

/* ---- run-health.c: that what was ready still answers ---- */

/* Looks who is to be asked, and who has been silent for too long. */
void run_health_tick(struct run *run);
/* What the child says of target `index`. */
void run_health_take(struct run *run, unsigned index, bool good, int64_t since_ns, const char *why);
/* When the tick is needed next. */
int64_t run_health_next(const struct run *run);

/* ---- run-slurmd.c: that the nodes' slurmd still answer Slurm ---- */

void run_slurmd_tick(struct run *run);
int64_t run_slurmd_next(const struct run *run);
void run_slurmd_stop(struct run *run);

/* ---- run-told.c: why we were told to end ---- */

/* A verdict, as soon as the reason is known or will not be. */
void run_told_tick(struct run *run);

/* ---- run-faults.c ---- */

/* In a rehearsal: warns of faults that are asked of nobody. */
void run_check_faults(struct run *run);

/* ---- run-end.c ---- */

/* Ends what runs, in order.  Nothing is left when it returns, but run->left steps
 * that would not end or that Slurm could not be told of. */
void run_end(struct run *run);

/* ---- run-pack.c: the archive of a failed run ---- */

/* What the nodes look like before the workers are ended; and, when all is over, the
 * archive.  Nothing where the run went well, was told to end, or is a rehearsal. */
void run_pack_parts(struct run *run);
void run_pack_archive(struct run *run);

#endif
