/* SPDX-License-Identifier: Apache-2.0 */
/* Files that change while they are packed. */
#include "lib/diag/bundle.h"
#include "tap.h"
#include <stdlib.h>
#include <unistd.h>

#define BYTES 20000

/* A file of one long line that was `size` bytes long when it was looked at. */
static int pack(uint64_t size, struct disagg_bundle_member *ret)
{
	char text[BYTES], path[] = "/tmp/disagg-bundle.XXXXXX",
			  out_path[] = "/tmp/disagg-bundle.XXXXXX";
	struct disagg_bundle_file file = {.name = "a.log", .size = size, .head = 512, .tail = 512};
	struct disagg_bundle_spec spec = {.folder = "job", .time_s = 1};
	const struct disagg_bundle_member *member;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_bundle *bundle;
	int rc;

	memset(text, 'x', sizeof(text));
	text[BYTES - 1] = '\n';
	file.fd = mkstemp(path);
	spec.fd = mkstemp(out_path);
	unlink(path);
	unlink(out_path);
	if (file.fd < 0 || spec.fd < 0 || write(file.fd, text, sizeof(text)) != BYTES ||
		disagg_bundle_new(&bundle, &spec, &err))
		return -2;
	rc = disagg_bundle_add_file(bundle, &file, &err);
	if (disagg_bundle_members(bundle, &member) == 1)
		*ret = *member;
	rc = disagg_bundle_close(bundle, &err) || rc ? -1 : 0;
	close(file.fd);
	close(spec.fd);
	if (rc)
		printf("# %s\n", err.text);
	return rc;
}

int main(void)
{
	struct disagg_bundle_member member = {0};

	is_int(pack(BYTES, &member), 0, "a file that is cut");
	ok(!member.shrank && member.left_out > 0, "has a part left out");
	is_int(pack(BYTES / 2, &member), 0, "one that has grown since");
	ok(member.left_out < BYTES / 2, "is what it was then");
	is_int(pack(BYTES * 2, &member), 0, "one that has shrunk since");
	ok(member.shrank, "is filled up, and that is told");
	/* FIPS 180-2, B.1 */
	is_int(disagg_bundle_sha256("abc", 3, member.sha256, NULL), 0, "a sum of bytes in memory");
	is_str(member.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"is SHA-256");
	return tap_done();
}
