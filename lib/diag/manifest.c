/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/manifest.h"

#include "lib/host/json.h"
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SCHEMA	    "disagg.manifest/1"
#define BLOCK_BYTES (64u * 1024u)
#define MOST_BYTES  (8u * 1024u * 1024u)

static int hash_bytes(EVP_MD_CTX *hash, const struct disagg_unpacked *file)
{
	char block[BLOCK_BYTES];

	for (uint64_t at = 0; at < file->size;) {
		size_t want =
			file->size - at < BLOCK_BYTES ? (size_t)(file->size - at) : BLOCK_BYTES;
		ssize_t got = pread(file->fd, block, want, (off_t)(file->from + at));

		if (got <= 0 || EVP_DigestUpdate(hash, block, (size_t)got) != 1)
			return -1;
		at += (uint64_t)got;
	}
	return 0;
}

static int sum_of(const struct disagg_unpacked *file, char sum[65], struct disagg_err *err)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	bool good = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
		    hash_bytes(hash, file) == 0 && EVP_DigestFinal_ex(hash, bytes, NULL) == 1;

	EVP_MD_CTX_free(hash);
	if (!good)
		return disagg_err_set(err, DISAGG_SYSTEM, "cannot sum up '%s'", file->name);
	for (size_t i = 0; i < 32; i++)
		snprintf(sum + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static int check_member(const char *path, const struct disagg_unpacked_list *list,
	const struct disagg_json *member, struct disagg_err *err)
{
	const char *name = disagg_json_text(disagg_json_at(member, "name"));
	const char *told = disagg_json_text(disagg_json_at(member, "sha256"));
	struct disagg_unpacked *file = name ? disagg_unpacked_find(list, name) : NULL;
	char sum[65];

	/* once each: a small manifest may name a large member as often as it likes */
	if (!file || !told || file->checked)
		return 0;
	file->checked = true;
	if (sum_of(file, sum, err))
		return -1;
	if (strcmp(sum, told) == 0)
		return 0;
	return disagg_err_set(err, DISAGG_CONFIG,
		"'%s' is damaged: its member '%s' is not what its " DISAGG_MANIFEST " says", path,
		file->name);
}

static int check(const char *path, const struct disagg_unpacked_list *list,
	const struct disagg_json *manifest, struct disagg_err *err)
{
	const struct disagg_json *members = disagg_json_at(manifest, "members");
	const char *schema = disagg_json_text(disagg_json_at(manifest, "schema"));
	size_t count = disagg_json_count(members);

	if (!schema || strcmp(schema, SCHEMA) != 0) /* another program's */
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (check_member(path, list, disagg_json_item(members, i), err))
			return -1;
	}
	return 0;
}

int disagg_manifest_check(
	const char *path, const struct disagg_unpacked_list *list, struct disagg_err *err)
{
	const struct disagg_unpacked *file = disagg_unpacked_find(list, DISAGG_MANIFEST);
	struct disagg_arena arena = {.limit = 2 * MOST_BYTES};
	struct disagg_json *json = NULL;
	char *bytes;
	size_t len;
	int rc;

	if (!file || file->size > MOST_BYTES)
		return 0;
	rc = disagg_unpacked_read(&arena, file, MOST_BYTES, &bytes, &len, err);
	if (!rc && disagg_json_parse(&json, bytes, len, NULL))
		rc = disagg_err_set(err, DISAGG_CONFIG,
			"'%s' is damaged: its member '%s' is no JSON that can be read", path,
			file->name);
	if (!rc)
		rc = check(path, list, json, err);
	disagg_json_free(json);
	disagg_arena_release(&arena);
	return rc;
}
