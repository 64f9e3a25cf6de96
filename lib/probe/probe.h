/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_PROBE_H
#define DISAGG_PROBE_PROBE_H

#include "lib/probe/record.h"
#include "lib/host/json.h"
#include <stdint.h>

/*
 * A probe: a name, the suites it belongs to, and a function that measures.
 * That function runs in a forked child with a deadline, so it may call CUDA,
 * may hang and may crash; what it has said until then counts.
 */
struct disagg_probe_options {
	const char *sysroot;	 /* "" or a folder in place of / for /proc, /sys and /etc */
	const char *device_root; /* the same for /dev */
	uint64_t gemm_size;	 /* N of N^3 (8192) */
	unsigned gemm_ms;	 /* measured time of a batch set (5000; quick 1000) */
	uint64_t copy_bytes;	 /* pcie, p2p: 512 MiB; hbm: twice that */
	uint64_t nccl_min_bytes, nccl_max_bytes; /* 8 MiB to 1 GiB */
	unsigned nccl_iterations;		 /* 20, after 5, or as many, to warm up */
	uint64_t kv_block_bytes;		 /* 0: of the configuration, else 1 MiB */
	const char *plan;			 /* kv.path: SLURM_DISAGG_PLAN's text; NULL */
	const char *model_config;		 /* kv.path: a model's config.json; NULL */
	const char *model_path;			 /* a file for storage.model; NULL: none */
	const char *kernel_log;			 /* in place of /dev/kmsg; NULL */
	double since_s;	       /* the kernel log counts from here; 0: since boot */
	const char *allow;     /* keys that may differ: "python.*,sysctl.vm.swappiness"; NULL */
	const char *xid_table; /* a site's file over the table of Xids; NULL */
	const char *service;   /* for service.wait: URLs and host:port, by commas; NULL */
	unsigned service_ms;   /* how long it waits (200000) */
	bool force;	       /* also where other processes use the GPUs */
	unsigned suite; /* the DISAGG_SUITE_ that runs: longer, more is measured; 0: STANDARD */
};

struct disagg_gpu {
	int index;	    /* position among the GPUs this step may use */
	const char *uuid;   /* "GPU-..." or "MIG-...": what CUDA_VISIBLE_DEVICES takes */
	const char *name;   /* "NVIDIA H200" */
	const char *pci;    /* "0000:0f:00.0" */
	const char *cohort; /* what GPUs are compared among: "NVIDIA H200|driver 580.159|700 W" */
	uint64_t mem_bytes;
	bool mig;
};

struct disagg_probe_run {
	const char *node;
	const struct disagg_probe_options *options;
	const struct disagg_gpu *gpus; /* all of the node's that this step may use */
	size_t gpu_count;
	const struct disagg_gpu *gpu;	/* kinds GPU and GPU_ALONE: the one to measure, else NULL.
		  CUDA_VISIBLE_DEVICES is its UUID then, so that CUDA's device 0 is it */
	const struct disagg_json *args; /* FLEET: what the lead asks of this node; else NULL */
	struct disagg_arena *arena;	/* for as long as the run */
	/* Sends a record at once; probe, node, gpu, gpu_uuid, gpu_name and cohort are filled in
	 * where they are not set. */
	void (*emit)(struct disagg_probe_run *run, const struct disagg_probe_record *record);
	/* FLEET: a line of JSON to the lead in mid-run: a port, an id */
	void (*note)(struct disagg_probe_run *run, const char *json);
	void *host; /* of who runs it */
};

enum disagg_probe_kind {
	DISAGG_PROBE_NODE,	/* one child on a node */
	DISAGG_PROBE_GPU,	/* a child a GPU, all at once */
	DISAGG_PROBE_GPU_ALONE, /* a child a GPU, one after another */
	DISAGG_PROBE_FLEET,	/* led from the first node, over all nodes (fleet.h) */
};

enum disagg_probe_suite { /* bits */
	DISAGG_SUITE_QUICK = 1,
	DISAGG_SUITE_STANDARD = 2,
	DISAGG_SUITE_THOROUGH = 4,
};

#define DISAGG_PROBE_EMITS 3

struct disagg_fleet;

struct disagg_probe {
	const char *name;
	unsigned suites;
	enum disagg_probe_kind kind;
	bool needs_gpu;	      /* skip, with the reason, where a node has none */
	bool only_looks;      /* needs_gpu, but also where other processes use the GPUs */
	unsigned deadline_ms; /* of one child */
	const char *about;    /* one line, for --list */
	const char
		*emits[DISAGG_PROBE_EMITS]; /* other names that its records have; ends with NULL */
	/*
	 * 0: what it had to say is said.  -1: err says why not: DISAGG_SKIPPED becomes the
	 * status skip, every other code unknown.  Never fail: a failed measurement is a record.
	 */
	int (*run)(struct disagg_probe_run *run, struct disagg_err *err);
	/* FLEET: in the lead; starts run on nodes by fleet.h. The same return. */
	int (*lead)(struct disagg_fleet *fleet, const struct disagg_probe *probe,
		struct disagg_err *err);
};

/* All probes in the order they run in; ends with name NULL. */
extern const struct disagg_probe disagg_probes[];

/* By its own name. */
const struct disagg_probe *disagg_probe_find(const char *name);

#endif
