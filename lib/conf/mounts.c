/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/mounts.h"
#include <string.h>

static void check_mount(const struct disagg_kv *mount, struct disagg_findings *found)
{
	const char *target = mount->value;

	if (!mount->key[0] || !target[0] || target[0] == ':')
		disagg_findings_error(found, &mount->at,
			"'%s: %s' is no mount: expected HOST_PATH: CONTAINER_PATH[:FLAGS]",
			mount->key, target);
	else if (mount->key[strcspn(mount->key, ",:")])
		disagg_findings_error(found, &mount->at,
			"'%s' cannot be mounted: ',' and ':' end a path in options of srun",
			mount->key);
	else if (strchr(target, ','))
		disagg_findings_error(found, &mount->at,
			"'%s' cannot be mounted: ',' ends a mount in options of srun; flags are "
			"joined by '+'",
			target);
}

static bool has_same(const struct disagg_map *map, const struct disagg_kv *mount)
{
	for (unsigned i = 0; i < map->count; i++) {
		const struct disagg_origin *at = &map->v[i].at;

		if (strcmp(map->v[i].key, mount->key) == 0 && at->line == mount->at.line &&
			at->col == mount->at.col)
			return true;
	}
	return false;
}

void disagg_mounts_check(const struct disagg_job *job, struct disagg_findings *found)
{
	const struct disagg_map *common = &job->container.mounts;

	for (unsigned i = 0; i < common->count; i++)
		check_mount(&common->v[i], found);
	for (unsigned r = 0; r < job->role_count; r++) {
		const struct disagg_map *own = &job->role[r].container.mounts;

		for (unsigned i = 0; i < own->count; i++) {
			if (!has_same(common, &own->v[i]))
				check_mount(&own->v[i], found);
		}
	}
}
