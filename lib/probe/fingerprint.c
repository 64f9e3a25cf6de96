/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/fingerprint.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_VALUE 1024u
#define MOST_PAIRS 8192u /* of a section */

static const char *const names[] = {
	"kernel", "os", "driver", "cuda", "fabric", "sysctl", "host", "python", "env", "program"};

const char *disagg_fingerprint_name(enum disagg_fingerprint_part part)
{
	return names[part];
}

/* ---- digest ---- */

#define FNV_OFFSET ((unsigned __int128)0x6c62272e07bb0142u << 64 | 0x62b821756295c58du)
#define FNV_PRIME  ((unsigned __int128)0x0000000001000000u << 64 | 0x000000000000013bu)

void disagg_digest_init(struct disagg_digest *digest)
{
	digest->state = FNV_OFFSET;
}

void disagg_digest_add(struct disagg_digest *digest, const char *bytes, size_t len)
{
	unsigned __int128 state = digest->state;

	for (size_t i = 0; i < len; i++)
		state = (state ^ (unsigned char)bytes[i]) * FNV_PRIME;
	digest->state = state;
}

void disagg_digest_text(const struct disagg_digest *digest, char ret[DISAGG_DIGEST_TEXT])
{
	snprintf(ret, DISAGG_DIGEST_TEXT, "%016llx%016llx",
		(unsigned long long)(digest->state >> 64), (unsigned long long)digest->state);
}

/* ---- pairs ---- */

int disagg_fingerprint_add(struct disagg_arena *arena, struct disagg_fingerprint *print,
	enum disagg_fingerprint_part part, const char *key, const char *value)
{
	struct disagg_fingerprint_section *section = &print->section[part];
	char *own_key, *own_value;

	if (section->count == MOST_PAIRS)
		return 0;
	if (section->count == section->room) {
		size_t room = section->room ? section->room * 2 : 32;
		struct disagg_fingerprint_pair *grown = disagg_arena_grow(
			arena, section->pair, section->room, room, sizeof(*grown));

		if (!grown)
			return -1;
		section->pair = grown;
		section->room = room;
	}
	own_key = disagg_arena_printf(arena, "%s.%s", names[part], key);
	own_value = disagg_arena_strndup(arena, value, strnlen(value, MOST_VALUE));
	if (!own_key || !own_value)
		return -1;
	disagg_text_tame(own_key);
	disagg_text_tame(own_value);
	section->pair[section->count] =
		(struct disagg_fingerprint_pair){own_key, own_value, section->count};
	section->count++;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct disagg_fingerprint_pair *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	return order ? order : (x->order > y->order) - (x->order < y->order);
}

static void finish(struct disagg_fingerprint_section *section)
{
	struct disagg_digest digest;
	size_t kept = 0;

	if (section->count)
		qsort(section->pair, section->count, sizeof(*section->pair), by_key);
	disagg_digest_init(&digest);
	for (size_t i = 0; i < section->count; i++) {
		const struct disagg_fingerprint_pair *pair = &section->pair[i];

		if (kept && strcmp(section->pair[kept - 1].key, pair->key) == 0)
			continue;
		section->pair[kept] = *pair;
		/* with their NULs, so that no two lists of pairs are the same bytes */
		disagg_digest_add(
			&digest, section->pair[kept].key, strlen(section->pair[kept].key) + 1);
		disagg_digest_add(
			&digest, section->pair[kept].value, strlen(section->pair[kept].value) + 1);
		kept++;
	}
	section->count = kept;
	disagg_digest_text(&digest, section->digest);
}

void disagg_fingerprint_finish(struct disagg_fingerprint *print)
{
	for (size_t i = 0; i < DISAGG_ENV_PARTS; i++)
		finish(&print->section[i]);
}

/* ---- which variables ---- */

static const char *const shown[] = {"NCCL_*", "UCX_*", "NIXL_*", "CUDA_*", "GLOO_*", "FI_*",
	"NVSHMEM_*", "IBV_*", "MLX5_*", "OMP_*", "MKL_*", "TRTLLM_*", "TLLM_*", "VLLM_*",
	"SGLANG_*", "SGL_*", "TORCH_*", "TORCHINDUCTOR_*", "PYTORCH_*", "TRITON_*", "MOONCAKE_*",
	"DYN_*", "LD_LIBRARY_PATH", "LD_PRELOAD", "PATH", "PYTHONPATH", "VIRTUAL_ENV",
	"CONDA_PREFIX", "HF_HOME", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "LC_ALL", "LANG", "TMPDIR"};

/* what differs by task or node, and what may be secret */
static const char *const hidden[] = {"CUDA_VISIBLE_DEVICES", "CUDA_MPS_*", "*_HOST_IP", "*_RANK",
	"*TOKEN*", "*SECRET*", "*PASS*", "*PWD*", "*PSW*", "*KEY*", "*CRED*", "*AUTH*", "*BEARER*",
	"*COOKIE*"};

static bool listed(const char *name, const char *const *pattern, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fnmatch(pattern[i], name, FNM_CASEFOLD) == 0)
			return true;
	return false;
}

bool disagg_fingerprint_env_shown(const char *name)
{
	return listed(name, shown, sizeof(shown) / sizeof(*shown)) &&
	       !listed(name, hidden, sizeof(hidden) / sizeof(*hidden));
}
