/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/xid.h"

#include "lib/base/num.h"
#include <string.h>

/*
 * The driver prints "pid=%d, name=%s, " of the process; a name has up to 15
 * bytes of any kind and may hold ", " and quotes.  So the code is read before
 * it, and what is read behind it is of a shape that 15 bytes cannot have.
 */
#define MOST_NAME 15u
#define MOST_CODE 99999 /* SXids have five digits */

struct cursor {
	const char *at, *end;
};

static size_t left(const struct cursor *in)
{
	return (size_t)(in->end - in->at);
}

static bool skip(struct cursor *in, const char *text)
{
	size_t len = strlen(text);

	if (left(in) < len || memcmp(in->at, text, len) != 0)
		return false;
	in->at += len;
	return true;
}

static bool skip_blanks(struct cursor *in)
{
	const char *from = in->at;

	while (in->at < in->end && *in->at == ' ')
		in->at++;
	return in->at > from;
}

/* The bytes up to one of `stop` or the end, into buf; false where none or too many. */
static bool take(struct cursor *in, const char *stop, char *buf, size_t size)
{
	size_t len = 0;

	while (len < left(in) && !strchr(stop, in->at[len]))
		len++;
	if (len == 0 || len >= size)
		return false;
	memcpy(buf, in->at, len);
	buf[len] = '\0';
	in->at += len;
	return true;
}

static bool take_int(struct cursor *in, int64_t max, int64_t *ret)
{
	struct cursor next = *in;
	char digits[20];
	size_t len = 0;

	while (len < left(in) && len < sizeof(digits) - 1 && in->at[len] >= '0' &&
		in->at[len] <= '9') {
		digits[len] = in->at[len];
		len++;
	}
	digits[len] = '\0';
	if (disagg_num_int(digits, 0, max, ret))
		return false;
	next.at += len;
	*in = next;
	return true;
}

static bool take_hex(struct cursor *in, const char *stop, uint32_t *ret)
{
	char digits[20];
	uint64_t value;

	if (!skip(in, "0x") || !take(in, stop, digits, sizeof(digits)) ||
		disagg_num_hex(digits, UINT32_MAX, &value))
		return false;
	*ret = (uint32_t)value;
	return true;
}

static bool is_pci_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == ':' || c == '.';
}

/* "PCI:0000:1b:00" or "0000:1b:00.0" */
static bool take_pci(struct cursor *in, const char *stop, char *buf, size_t size)
{
	skip(in, "PCI:");
	if (!take(in, stop, buf, size))
		return false;
	for (char *c = buf; *c; c++) {
		if (*c >= 'A' && *c <= 'F')
			*c = (char)(*c - 'A' + 'a');
		if (!is_pci_byte(*c))
			return false;
	}
	return true;
}

/* "UNIT SEVERITY XC0 i0 Link 08 (0x004505c6 0x00000000": whole, or nothing is set. */
static bool read_nvlink5(struct cursor in, struct disagg_xid_event *event)
{
	char unit[sizeof(event->unit)], severity[12], word[16];
	uint32_t intrinfo, status;
	int64_t link = -1;

	if (!take(&in, " ,", unit, sizeof(unit)) || !skip_blanks(&in) ||
		!take(&in, " ,", severity, sizeof(severity)) || !skip_blanks(&in))
		return false;
	for (int i = 0; i < 2; i++)
		if (!take(&in, " ,", word, sizeof(word)) || !skip_blanks(&in))
			return false;
	if (!skip(&in, "Link") || !skip_blanks(&in) ||
		!(skip(&in, "-1") || take_int(&in, 1023, &link)) || !skip_blanks(&in) ||
		!skip(&in, "(") || !take_hex(&in, " ", &intrinfo) || !skip_blanks(&in) ||
		!take_hex(&in, " )", &status))
		return false;
	memcpy(event->unit, unit, sizeof(unit));
	event->has_fatal = true;
	event->fatal = strcmp(severity, "Fatal") == 0;
	event->link = (int)link;
	event->intrinfo = intrinfo;
	event->status = status;
	event->has_nvlink5 = true;
	return true;
}

/* "GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)" */
static bool read_recovery(struct cursor in, struct disagg_xid_event *event)
{
	char text[sizeof(event->recovery_text)], from[32];
	uint32_t number, old;

	if (!skip(&in, "GPU recovery action changed from ") || !take_hex(&in, " ", &old) ||
		!skip(&in, " (") || !take(&in, ")", from, sizeof(from)) || !skip(&in, ") to ") ||
		!take_hex(&in, " ", &number) || !skip(&in, " (") ||
		!take(&in, ")", text, sizeof(text)) || !skip(&in, ")"))
		return false;
	event->recovery = number < 256 ? (int)number : 255;
	memcpy(event->recovery_text, text, sizeof(text));
	return true;
}

static void read_payload(struct cursor in, struct disagg_xid_event *event)
{
	if (event->code == DISAGG_XID_RECOVERY_CODE)
		read_recovery(in, event);
	else if (!event->has_nvlink5)
		read_nvlink5(in, event);
}

/* "pid=1234" or "pid='<unknown>'" */
static void read_pid(struct cursor *in, struct disagg_xid_event *event)
{
	if (!skip(in, "pid="))
		return;
	skip(in, "'");
	if (!take_int(in, INT32_MAX, &event->pid) && !skip(in, "<unknown>"))
		return;
	skip(in, "'");
	skip(in, ", ");
}

/* The payload may begin behind any ", " that a name of 15 bytes could end at. */
static void read_name(struct cursor in, struct disagg_xid_event *event)
{
	bool quoted = skip(&in, "'");
	const char *name = in.at;
	size_t most = left(&in) < MOST_NAME ? left(&in) : MOST_NAME, len = 0;

	while (len < most && in.at[len] != ',' && !(quoted && in.at[len] == '\'') && in.at[len])
		len++;
	memcpy(event->name, name, len);
	event->name[len] = '\0';
	for (size_t i = 0; i <= MOST_NAME + 1 && i < left(&in); i++) {
		struct cursor rest = {in.at + i, in.end};

		if (skip(&rest, ", "))
			read_payload(rest, event);
	}
}

static bool read_gpu(struct cursor in, struct disagg_xid_event *event)
{
	int64_t code;

	if (!take_pci(&in, ")", event->pci, sizeof(event->pci)) || !skip(&in, "): ") ||
		!take_int(&in, MOST_CODE, &code) || (left(&in) && *in.at != ','))
		return false;
	event->kind = DISAGG_XID_GPU;
	event->code = (int)code;
	if (!skip(&in, ", "))
		return true;
	read_pid(&in, event);
	if (skip(&in, "name="))
		read_name(in, event);
	else
		read_payload(in, event);
	return true;
}

/* "0: SXid (PCI:0000:c1:00.0): 28006, Non-fatal, Link 46 ..." */
static bool read_switch(struct cursor in, struct disagg_xid_event *event)
{
	int64_t number, code, link;

	if (!take_int(&in, 1023, &number) || !skip(&in, ": SXid (") ||
		!take_pci(&in, ")", event->pci, sizeof(event->pci)) || !skip(&in, "): ") ||
		!take_int(&in, MOST_CODE, &code) || (left(&in) && *in.at != ','))
		return false;
	event->kind = DISAGG_XID_SWITCH;
	event->code = (int)code;
	if (!skip(&in, ", "))
		return true;
	event->fatal = skip(&in, "Fatal");
	event->has_fatal = event->fatal || skip(&in, "Non-fatal");
	if (skip(&in, ", Link ") && take_int(&in, 1023, &link))
		event->link = (int)link;
	return true;
}

/* "GPU at PCI:0000:1b:00: GPU-8a5e..." */
static bool read_map(struct cursor in, struct disagg_xid_event *event)
{
	char pci[40];
	size_t len;

	if (!skip(&in, "PCI:") || !take(&in, " ", pci, sizeof(pci)) || !skip(&in, " "))
		return false;
	len = strlen(pci);
	if (len < 2 || pci[len - 1] != ':')
		return false;
	struct cursor bus = {pci, pci + len - 1};

	if (!take_pci(&bus, "", event->pci, sizeof(event->pci)) || left(&in) < 4 ||
		memcmp(in.at, "GPU-", 4) != 0 ||
		!take(&in, " \n", event->uuid, sizeof(event->uuid)))
		return false;
	event->kind = DISAGG_XID_MAP;
	return true;
}

/* "0000:1b:00.0: GPU has fallen off the bus." or
 * "0000:1b:00.0 (PCI ID: ...) installed in this system has fallen off the bus" */
static bool read_fallen(struct cursor in, struct disagg_xid_event *event)
{
	static const char said[] = "has fallen off the bus";
	char *end;

	if (!take_pci(&in, " ", event->pci, sizeof(event->pci)) ||
		!memmem(in.at, left(&in), said, strlen(said)))
		return false;
	end = event->pci + strlen(event->pci);
	if (end > event->pci && end[-1] == ':')
		end[-1] = '\0';
	event->kind = DISAGG_XID_FALLEN;
	event->code = DISAGG_XID_FALLEN_CODE;
	return true;
}

/* the second line of the longer form, which has no address */
static bool read_fallen_tail(struct cursor in, struct disagg_xid_event *event)
{
	(void)in;
	event->kind = DISAGG_XID_FALLEN;
	event->code = DISAGG_XID_FALLEN_CODE;
	return true;
}

static const struct {
	const char *begin;
	bool (*read)(struct cursor in, struct disagg_xid_event *event);
} forms[] = {
	{"NVRM: Xid (", read_gpu},
	{"nvidia-nvswitch", read_switch},
	{"NVRM: GPU at ", read_map},
	{"NVRM: The NVIDIA GPU ", read_fallen},
	{"NVRM: GPU ", read_fallen},
	{"NVRM: fallen off the bus and is not responding", read_fallen_tail},
};

bool disagg_xid_line(const char *text, size_t len, struct disagg_xid_event *ret)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		struct disagg_xid_event event = {.code = -1, .pid = -1, .link = -1, .recovery = -1};
		struct cursor in = {text, text + len};

		if (!skip(&in, forms[i].begin) || !forms[i].read(in, &event))
			continue;
		*ret = event;
		return true;
	}
	return false;
}
