/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/sim.h"
#include "lib/base/num.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef bool take_arg(struct sim_fault *fault, const char *arg);

static bool read_seconds(const char *text, double *ret)
{
	double value;

	if (disagg_num_real(text, &value) < 0 || value < 0 || value > 1e7)
		return false;
	*ret = value;
	return true;
}

static bool read_every(const char *arg, unsigned *ret)
{
	int64_t value = 1;

	if (arg && disagg_num_int(arg, 1, 1000000, &value) < 0)
		return false;
	*ret = (unsigned)value;
	return true;
}

static bool read_status(const char *text, int *ret)
{
	static const struct {
		const char *name;
		int signal;
	} names[] = {{"KILL", SIGKILL}, {"SEGV", SIGSEGV}, {"ABRT", SIGABRT}, {"TERM", SIGTERM}};
	int64_t value;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i].name, text) == 0) {
			*ret = -names[i].signal;
			return true;
		}
	}
	if (disagg_num_int(text, 0, 255, &value) < 0)
		return false;
	*ret = (int)value;
	return true;
}

/* "SECS[:STATUS]" */
static bool read_death(struct sim_fault *fault, const char *arg)
{
	const char *colon = arg ? strchr(arg, ':') : NULL;
	char seconds[32];

	if (!arg || (colon && (size_t)(colon - arg) >= sizeof(seconds)))
		return false;
	snprintf(seconds, sizeof(seconds), "%.*s", colon ? (int)(colon - arg) : 31, arg);
	fault->dies = true;
	fault->die_status = 1;
	return read_seconds(seconds, &fault->die_s) &&
	       (!colon || read_status(colon + 1, &fault->die_status));
}

static bool take_die(struct sim_fault *fault, const char *arg)
{
	return read_death(fault, arg);
}

static bool take_exit0(struct sim_fault *fault, const char *arg)
{
	fault->dies = true;
	fault->die_status = 0;
	return arg && read_seconds(arg, &fault->die_s);
}

static bool take_die_after(struct sim_fault *fault, const char *arg)
{
	fault->die_after_ready = true;
	return read_death(fault, arg ? arg : "1");
}

static bool take_hang(struct sim_fault *fault, const char *arg)
{
	fault->hangs = true;
	return arg && read_seconds(arg, &fault->hang_s);
}

static bool take_hang_after(struct sim_fault *fault, const char *arg)
{
	fault->hangs = true;
	fault->hang_after_ready = true;
	return read_seconds(arg ? arg : "1", &fault->hang_s);
}

static bool take_503(struct sim_fault *fault, const char *arg)
{
	fault->is_503 = true;
	return !arg || read_seconds(arg, &fault->until_503_s);
}

static bool take_model(struct sim_fault *fault, const char *arg)
{
	fault->wrong_model = true;
	if (arg)
		snprintf(fault->model, sizeof(fault->model), "%s", arg);
	return !arg || arg[0];
}

static bool take_slow(struct sim_fault *fault, const char *arg)
{
	return arg && disagg_num_real(arg, &fault->slow) == 0 && fault->slow > 0 &&
	       fault->slow <= 1e6;
}

static bool take_drop(struct sim_fault *fault, const char *arg)
{
	return read_every(arg, &fault->drop_every);
}

static bool take_corrupt(struct sim_fault *fault, const char *arg)
{
	return read_every(arg, &fault->corrupt_every);
}

static bool take_fail(struct sim_fault *fault, const char *arg)
{
	return read_every(arg, &fault->fail_every);
}

static bool take_never(struct sim_fault *fault, const char *arg)
{
	fault->never_ready = true;
	return !arg;
}

static bool take_hang_before(struct sim_fault *fault, const char *arg)
{
	fault->hang_before_ready = true;
	return !arg;
}

static bool take_zero(struct sim_fault *fault, const char *arg)
{
	fault->zero_tokens = true;
	return !arg;
}

static bool take_short(struct sim_fault *fault, const char *arg)
{
	fault->short_counts = true;
	return !arg;
}

static bool take_ignore(struct sim_fault *fault, const char *arg)
{
	fault->ignore_term = true;
	return !arg;
}

static const struct {
	const char *name;
	take_arg *take;
	const char *form;
} kinds[] = {
	{"never-ready", take_never, "never-ready"},
	{"hang-before-ready", take_hang_before, "hang-before-ready"},
	{"503", take_503, "503[:SECONDS]"},
	{"wrong-model", take_model, "wrong-model[:NAME]"},
	{"die", take_die, "die:SECONDS[:STATUS]"},
	{"exit0", take_exit0, "exit0:SECONDS"},
	{"die-after-ready", take_die_after, "die-after-ready[:SECONDS[:STATUS]]"},
	{"hang", take_hang, "hang:SECONDS"},
	{"hang-after-ready", take_hang_after, "hang-after-ready[:SECONDS]"},
	{"slow", take_slow, "slow:FACTOR"},
	{"drop-transfers", take_drop, "drop-transfers[:EVERY]"},
	{"corrupt-transfers", take_corrupt, "corrupt-transfers[:EVERY]"},
	{"fail-requests", take_fail, "fail-requests[:EVERY]"},
	{"zero-tokens", take_zero, "zero-tokens"},
	{"short-counts", take_short, "short-counts"},
	{"ignore-term", take_ignore, "ignore-term"},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static int unknown(const char *text, struct disagg_err *err)
{
	char list[400] = "";
	size_t len = 0;

	for (unsigned i = 0; i < KINDS; i++)
		len += (size_t)snprintf(
			list + len, sizeof(list) - len, "%s%s", i ? ", " : "", kinds[i].name);
	return disagg_err_set(err, DISAGG_USAGE, "fault '%.60s' is none of %s", text, list);
}

int sim_fault_add(struct sim_fault *fault, const char *text, struct disagg_err *err)
{
	size_t len = strcspn(text, ":");
	struct sim_fault changed = *fault;

	for (unsigned i = 0; i < KINDS; i++) {
		if (strlen(kinds[i].name) != len || memcmp(kinds[i].name, text, len) != 0)
			continue;
		if (!kinds[i].take(&changed, text[len] ? text + len + 1 : NULL))
			return disagg_err_set(err, DISAGG_USAGE, "fault '%.100s': expected %s",
				text, kinds[i].form);
		*fault = changed;
		return 0;
	}
	return unknown(text, err);
}

/* "prefill:0", "prefill[0]" and "prefill_0" are one name. */
static void plain_name(char *name)
{
	for (char *c = name; *c; c++) {
		if (*c == ':' || *c == '[')
			*c = '_';
		else if (*c == ']')
			*c = '\0';
	}
}

/* Cuts "name.RANK" or "name@ATTEMPT" behind the mark and compares the number. */
static bool number_agrees(char *name, char mark, int64_t own)
{
	char *at = strrchr(name, mark);
	int64_t wanted;

	if (!at)
		return true;
	if (disagg_num_int(at + 1, 0, INT32_MAX, &wanted) < 0)
		return mark == '.'; /* a name may have a point of its own */
	*at = '\0';
	return wanted == own;
}

static bool names_us(const char *text, size_t len, const struct sim_identity *who)
{
	char wanted[256], own[256];

	if (len >= sizeof(wanted))
		return false;
	memcpy(wanted, text, len);
	wanted[len] = '\0';
	snprintf(own, sizeof(own), "%s", who->name);
	if (!number_agrees(wanted, '@', who->attempt) || !number_agrees(wanted, '.', who->rank))
		return false;
	plain_name(wanted);
	plain_name(own);
	return strcmp(wanted, "*") == 0 || strcmp(wanted, own) == 0;
}

int sim_fault_add_env(struct sim_fault *fault, const char *text, const struct sim_identity *who,
	struct disagg_err *err)
{
	while (*text) {
		size_t len = strcspn(text, ";"), name = strcspn(text, "=;");
		char entry[256];

		if (len && (name == len || len - name - 1 >= sizeof(entry)))
			return disagg_err_set(err, DISAGG_USAGE,
				"DISAGG_SIM_FAULT: expected NAME=FAULT, got '%.*s'",
				len < 60 ? (int)len : 60, text);
		if (len && names_us(text, name, who)) {
			memcpy(entry, text + name + 1, len - name - 1);
			entry[len - name - 1] = '\0';
			if (sim_fault_add(fault, entry, err) < 0)
				return disagg_err_wrap(err, "DISAGG_SIM_FAULT");
		}
		text += len + (text[len] == ';');
	}
	return 0;
}

/* When something that counts from the start or from ready is due. */
static int64_t due_at(const struct sim_fault *fault, bool after_ready, double seconds)
{
	int64_t from = after_ready ? fault->ready_ns : fault->start_ns;

	return after_ready && !from ? SIM_NEVER : from + (int64_t)(seconds * 1e9);
}

static int64_t die_at(const struct sim_fault *fault)
{
	return fault->dies ? due_at(fault, fault->die_after_ready, fault->die_s) : SIM_NEVER;
}

static int64_t hang_at(const struct sim_fault *fault)
{
	return fault->hangs ? due_at(fault, fault->hang_after_ready, fault->hang_s) : SIM_NEVER;
}

int64_t sim_fault_next(const struct sim_fault *fault, int64_t now)
{
	int64_t die = die_at(fault), hang = hang_at(fault);

	return hang > now && hang < die ? hang : die;
}

void sim_fault_run(const struct sim_fault *fault, int64_t now)
{
	if (now < die_at(fault))
		return;
	if (fault->die_status >= 0) {
		sim_log("fault: exits %d", fault->die_status);
		_exit(fault->die_status);
	}
	sim_log("fault: ends itself by signal %d", -fault->die_status);
	signal(-fault->die_status, SIG_DFL);
	raise(-fault->die_status);
}

bool sim_fault_hangs(const struct sim_fault *fault, int64_t now)
{
	return fault->hang_before_ready || now >= hang_at(fault);
}

bool sim_fault_is_503(const struct sim_fault *fault, int64_t now)
{
	if (!fault->is_503)
		return false;
	return fault->until_503_s <= 0 ||
	       now < fault->start_ns + (int64_t)(fault->until_503_s * 1e9);
}

bool sim_fault_nth(unsigned every, unsigned *count)
{
	return every && ++*count % every == 0;
}
