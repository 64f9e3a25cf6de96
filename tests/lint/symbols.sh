#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the plugins export, what they need, and which libraries they load: they
# live in sbatch, srun and slurmstepd, whose libraries export thousands of
# names, and login nodes load them too.
set -u
: "${BUILD:?}" "${SRC:?}"
count=0 failed=0

check() { # NAME UNEXPECTED
	count=$((count + 1))
	if [ -z "$2" ]; then
		echo "ok $count - $1"
	else
		failed=$((failed + 1))
		echo "not ok $count - $1"
		printf '%s\n' "$2" | sed 's/^/#   /'
	fi
}

exported() {
	nm -D --defined-only "$1" | awk '{ print $NF }' | sed 's/@.*//' | sort -u
}

undefined() {
	nm -D --undefined-only "$1" | awk '{ print $NF }' | sort -u
}

needed() {
	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

# undefined names that neither libc nor libyaml has: only Slurm's may be left
foreign() {
	undefined "$1" | sed 's/@.*//' | grep -vxF -f "$names" |
		grep -vE '^(spank_|slurm_|__(asan|ubsan|lsan|gcov|sanitizer)_|_ITM_|__gmon_start__)'
}

names=$(mktemp) || exit 5
trap 'rm -f "$names"' EXIT
plugin=$BUILD/lib/slurm/disagg.so
filter=$BUILD/lib/slurm/cli_filter_disagg.so
if [ ! -e "$plugin" ]; then
	echo "1..0 # SKIP built without spank.h"
	exit 0
fi
ldd "$plugin" | awk '$3 ~ /^\// { print $3 }' | while read -r library; do
	nm -D --defined-only "$library" 2>/dev/null | awk '{ print $NF }' | sed 's/@.*//'
done | sort -u >"$names"

check "the plugin exports SPANK's names only" "$(exported "$plugin" |
	grep -vE '^(plugin_name|plugin_type|plugin_version|spank_plugin_version)$|^slurm_spank_')"
# each entry point that the design names, and the loader's four
for name in plugin_name plugin_type plugin_version spank_plugin_version slurm_spank_init \
	slurm_spank_init_post_opt slurm_spank_user_init slurm_spank_task_init \
	slurm_spank_exit; do
	check "the plugin exports $name" "$(exported "$plugin" | grep -qx "$name" || echo missing)"
done
# these cost every job on every node a process where they exist
check "the plugin has no prolog and no epilog" "$(exported "$plugin" |
	grep -E 'job_prolog|job_epilog')"
check "the plugin takes nothing else from its host" "$(foreign "$plugin")"
check "the plugin needs libc and libyaml only" "$(needed "$plugin" |
	grep -vE '^(libc|libm|libdl|libyaml-0|ld-linux.*|libasan|libubsan|libgcc_s)\.so')"
check "the filter exports cli_filter's names only" "$(exported "$filter" |
	grep -vE '^(plugin_name|plugin_type|plugin_version)$|^cli_filter_p_')"
for name in plugin_type plugin_version cli_filter_p_setup_defaults cli_filter_p_pre_submit \
	cli_filter_p_post_submit; do
	check "the filter exports $name" "$(exported "$filter" | grep -qx "$name" || echo missing)"
done
check "the filter takes nothing else from its host" "$(foreign "$filter")"
check "the filter needs libc and libyaml only" "$(needed "$filter" |
	grep -vE '^(libc|libm|libdl|libyaml-0|ld-linux.*|libasan|libubsan|libgcc_s)\.so')"
# it is mounted into the engines' containers
check "disagg-exec needs libc and libyaml only" "$(needed "$BUILD/bin/disagg-exec" |
	grep -vE '^(libc|libm|libdl|libyaml-0|ld-linux.*|libasan|libubsan|libgcc_s)\.so')"
echo "1..$count"
[ "$failed" -eq 0 ]
