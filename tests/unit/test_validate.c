/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/jobtext.h"

#define HEAD  "disagg: 1\nname: n\ngpus_per_node: 4\n"
#define ROLES HEAD "roles:\n"
#define ONE   "roles: {x: {command: [a]}}\n"

static const struct jobtext_case refused[] = {
	{"a literal secret", HEAD "env: {HF_TOKEN: abc}\n" ONE,
		"E job.yaml:4:17: 'HF_TOKEN' holds a literal secret, which would be readable in "
		"the job: write '${env:HF_TOKEN}' and export HF_TOKEN where you submit"},
	{"a secret in the shell's words", HEAD "env: {HF_TOKEN: '${MY_TOKEN}'}\n" ONE,
		"E job.yaml:4:17: 'HF_TOKEN' is '${MY_TOKEN}', which nothing here fills in: write "
		"'${env:MY_TOKEN}' and export MY_TOKEN where you submit"},
	{"and without braces", HEAD "env: {HF_TOKEN: $HF_TOKEN}\n" ONE,
		"E job.yaml:4:17: 'HF_TOKEN' is '$HF_TOKEN', which nothing here fills in: write "
		"'${env:HF_TOKEN}' and export HF_TOKEN where you submit"},
	{"a secret of two roles is told once",
		HEAD "env: {MY_PASSWORD: abc}\nroles: {x: {command: [a]}, y: {command: [a]}}\n",
		"E job.yaml:4:20: 'MY_PASSWORD' holds a literal secret, which would be readable "
		"in the job: write '${env:MY_PASSWORD}' and export MY_PASSWORD where you submit"},
	{"a secret among an engine's flags",
		ROLES "  decode: {engine: sglang, gpus: 4, args: {api-key: abc}}\n",
		"E job.yaml:5:53: 'api-key' holds a literal secret, which would be readable in "
		"the job: write '${env:NAME}' and export NAME where you submit"},
	{"a secret of the load generator",
		HEAD ONE "benchmark: {type: custom, command: a, api_key: abc}\n",
		"E job.yaml:5:48: 'api_key' holds a literal secret, which would be readable in "
		"the job: write '${env:NAME}' and export NAME where you submit"},
	{"a name with a dash", HEAD "env: {A-B: 1}\n" ONE,
		"E job.yaml:4:12: 'A-B' is no name of a variable: expected letters, digits and _, "
		"not beginning with a digit"},
	{"a name of ours", HEAD "env: {DISAGG_RANK: 1}\n" ONE,
		"E job.yaml:4:20: 'DISAGG_RANK' cannot be set: the names that begin with DISAGG_ "
		"are the plan's"},
	{"after: no such role",
		ROLES "  prefill: {command: [a]}\n  x: {command: [a], after: [prefil]}\n",
		"E job.yaml:6:29: role 'x' is to start after 'prefil', which is no role: did you "
		"mean 'prefill'?"},
	{"after: itself", ROLES "  x: {command: [a], after: x}\n",
		"E job.yaml:5:28: roles wait for each other and none can start: 'x' after 'x'"},
	{"after: in a circle",
		ROLES "  a: {command: [a], after: [b]}\n  b: {command: [a], after: [c]}\n"
		      "  c: {command: [a], after: [b]}\n",
		"E job.yaml:7:29: roles wait for each other and none can start: 'b' after 'c' "
		"after 'b'"},
	{"too many workers", ROLES "  a: {command: [a], workers: 65536}\n  b: {command: [a]}\n",
		"E job.yaml:1:1: 65537 workers in all, at most 65536 are allowed"},
	{"too many GPUs", ROLES "  a: {engine: mocker, gpus: 4, workers: 32769}\n",
		"E job.yaml:1:1: 131076 GPUs in all, at most 131072 are allowed"},
	{"tensor parallel over GPUs",
		ROLES "  decode: {engine: sglang, gpus: 8, args: {tp-size: 16}}\n",
		"E job.yaml:5:53: role 'decode': its parallelism takes 16 GPUs, but a worker has "
		"8"},
	{"the same by another spelling",
		ROLES "  decode: {engine: vllm, gpus: 4, args: {tensor_parallel_size: 4, "
		      "pipeline-parallel-size: 2}}\n",
		"E job.yaml:5:91: role 'decode': its parallelism takes 8 GPUs, but a worker has "
		"4"},
	{"the same by the role's own key", ROLES "  decode: {engine: sglang, gpus: 4, tp: 8}\n",
		"E job.yaml:5:41: role 'decode': its parallelism takes 8 GPUs, but a worker has "
		"4"},
	{"a router of another engine",
		ROLES "  decode: {engine: vllm, gpus: 4}\n  router: {engine: sglang_router}\n",
		"E job.yaml:6:20: role 'router' is a router for sglang workers and cannot speak "
		"to 'decode' of engine 'vllm'"},
	{"an option of sbatch misspelt", HEAD "slurm: {sbatch: {partion: p}}\n" ONE,
		"E job.yaml:4:27: unknown option of sbatch 'partion': did you mean 'partition'?"},
	{"output", HEAD "slurm: {sbatch: {output: x}}\n" ONE,
		"E job.yaml:4:26: sbatch option 'output' has no place in a configuration: the "
		"job's output is named where it is submitted: give --output to sbatch"},
	{"array", HEAD "slurm: {sbatch: {array: 1-3}}\n" ONE,
		"E job.yaml:4:25: sbatch option 'array' has no place in a configuration: give "
		"--array to sbatch"},
	{"wrap", HEAD "slurm: {sbatch: {wrap: x}}\n" ONE,
		"E job.yaml:4:24: sbatch option 'wrap' has no place in a configuration: the file "
		"does not say what the batch script runs: give --wrap to sbatch"},
	{"het-group", HEAD "slurm: {sbatch: {het-group: 1}}\n" ONE,
		"E job.yaml:4:29: sbatch option 'het-group' has no place in a configuration: one "
		"allocation holds all roles: remove it"},
	{"a time limit", HEAD "slurm: {time: banana}\n" ONE,
		"E job.yaml:4:15: time limit 'banana': expected minutes, MM:SS, HH:MM:SS, D-HH, "
		"D-HH:MM or D-HH:MM:SS"},
	{"log_dir: a pattern", HEAD "log_dir: logs/%u\n" ONE,
		"E job.yaml:4:10: log_dir: 'logs/%u': only %j (the job id) is filled in"},
	{"log_dir: a line break", HEAD "log_dir: \"a\\nb\"\n" ONE,
		"E job.yaml:4:10: log_dir: expected a path, got one with a control character"},
	{"name: a line break", "disagg: 1\nname: \"a\\nb\"\n" ONE,
		"E job.yaml:2:7: name: expected one line of text, got a control character"},
};

static const struct jobtext_case taken[] = {
	{"a reference to a secret", HEAD "env: {HF_TOKEN: '${env:HF_TOKEN}'}\n" ONE, ""},
	{"an empty secret", HEAD "env: {HF_TOKEN: }\n" ONE, ""},
	{"a word that looks like one", HEAD "env: {TOKENIZERS_PARALLELISM: \"false\"}\n" ONE, ""},
	{"a flag that looks like one",
		ROLES "  decode: {engine: sglang, gpus: 4, args: {eos-token: abc}}\n", ""},
	{"a chain of after",
		ROLES "  a: {command: [a], after: [b, c]}\n  b: {command: [a], after: [c]}\n"
		      "  c: {command: [a]}\n",
		""},
	{"Slurm's variable", HEAD "env: {SLURM_MPI_TYPE: pmix}\n" ONE,
		"W job.yaml:4:23: 'SLURM_MPI_TYPE' is Slurm's own variable: setting it may break "
		"srun inside the job"},
	{"parallelism below the GPUs",
		ROLES "  decode: {engine: sglang, gpus: 4, args: {tp-size: 2}}\n",
		"W job.yaml:5:53: role 'decode': its parallelism takes 2 of a worker's 4 GPUs"},
	{"an option that another plugin may have",
		HEAD "slurm: {sbatch: {site-thing-xyz: 1}}\n" ONE,
		"W job.yaml:4:34: 'site-thing-xyz' is not an option of sbatch that is known here; "
		"it is passed on"},
	{"pyxis' options", HEAD "slurm: {sbatch: {container-image: x}}\n" ONE, ""},
	{"a time that is left open", HEAD "slurm: {time: <time>}\n" ONE, ""},
	{"a time in days", HEAD "slurm: {time: 1-12:00}\n" ONE, ""},
	{"the job id in log_dir", HEAD "log_dir: /x/%j\n" ONE, ""},
};

static void test_many_variables(void)
{
	static char yaml[32768];
	size_t len = (size_t)snprintf(yaml, sizeof(yaml), HEAD ONE "env:\n");
	struct jobtext jt;

	for (unsigned i = 0; i <= DISAGG_MAX_ENV; i++)
		len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "  V%u: a\n", i);
	jobtext_load(&jt, yaml, NULL);
	is_str(jt.text, "E job.yaml:4:9: role 'x' has 513 variables, at most 512 are allowed",
		"too many variables");
	jobtext_release(&jt);
}

int main(void)
{
	jobtext_run(refused, sizeof(refused) / sizeof(refused[0]), true);
	jobtext_run(taken, sizeof(taken) / sizeof(taken[0]), false);
	test_many_variables();
	return tap_done();
}
