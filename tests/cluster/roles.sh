# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What every task of a plan should see, out of disagg-plan's JSON, and what the
# tasks of a real job saw, in the same form: one sorted line a task,
# "worker rank/size node_rank/nodes host GPUs http-port".

plan_json() { # PLAN-ARGUMENT...
	"$BUILD/bin/disagg-plan" --format=json "$@" 2>/dev/null
}

expected_tasks() { # "HOST HOST..." PLAN-ARGUMENT...
	local hosts=$1
	shift
	plan_json "$@" | jq -r --arg hosts "$hosts" '
		($hosts | split(" ")) as $h | .workers[] | . as $w | .processes as $p
		| range($p | length) as $k | $p[$k] as $v
		| ([$p[:$k][].tasks] | add // 0) as $before
		| range($v.tasks) as $t
		| "\($w.role)_\($w.index) \($before + $t)/\($w.tasks) \($k)/\($p | length) \($h[$v.node]) " +
		  ($v.gpus | map(tostring) | join(",")) + " " +
		  (if ($v.ports.http // 0) == 0 then "-" else "\($v.ports.http)" end)' | sort
}

seen_tasks() { # FILE PLAN-ARGUMENT...
	local file=$1 roles
	shift
	roles=$(plan_json "$@" | jq -r '[.workers[].role] | unique | join(" ")')
	awk -v roles="$roles" '
		BEGIN { split(roles, list, " "); for (i in list) wanted[list[i]] = 1 }
		/^task=/ {
			split("", v)
			for (i = 1; i <= NF; i++)
				v[substr($i, 1, index($i, "=") - 1)] = substr($i, index($i, "=") + 1)
			if (v["role"] in wanted)
				print v["worker"], v["rank"] "/" v["size"], v["node_rank"] "/" v["nodes"],
					v["host"], v["cuda"], v["http"] == "" ? "-" : v["http"]
		}' "$file" | sort
}

# ROLE:INDEX of every worker and service, one a line.
step_names() { # PLAN-ARGUMENT...
	plan_json "$@" | jq -r '(.workers + .services)[] | "\(.role):\(.index)"'
}

# A batch script that starts every worker and service as its own step at once.
role_job() { # SCRIPT PLAN-ARGUMENT...
	local script=$1
	shift
	{
		echo '#!/bin/bash'
		step_names "$@" | while read -r name; do
			echo "timeout -s KILL 60 srun --overlap -K --disagg-role=$name ./task.sh || echo failed=$name &"
		done
		echo 'wait'
	} >"$script"
	chmod 755 "$script"
}

job_hosts() { # JOB
	as_root scontrol show hostnames \
		"$(as_root scontrol -o show job "$1" | sed -n 's/.* NodeList=\([^ ]*\).*/\1/p')" | paste -sd' '
}
