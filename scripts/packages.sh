#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: scripts/packages.sh [--list]
# Installs the Debian packages that the build, the tests and the dev cluster
# need and that are missing; --list prints them all and installs none.  No
# daemon of theirs is started.  On another system it lists them and exits with 4.
set -u

build='gcc make libc6-dev pkg-config libslurm-dev libyaml-dev libjson-c-dev libhwloc-dev
	libcurl4-openssl-dev libmicrohttpd-dev libarchive-dev libpcre2-dev libssl-dev
	libdeflate-dev'
cluster='slurm-wlm slurmd slurmctld slurm-client slurm-wlm-basic-plugins munge iproute2 util-linux
	procps'
test_tools='clang libclang-rt-dev valgrind libc6-dbg shellcheck strace jq python3 debootstrap
	scdoc groff-base curl etcd-server nats-server nginx-light time wrk
	apache2-utils chromium'
# hyperscan is x86's alone; vectorscan is its twin for the others
case $(uname -m) in
x86_64) scanner=libhyperscan-dev ;;
*) scanner=libvectorscan-dev ;;
esac
wanted="$build $scanner $cluster $test_tools"

missing() {
	for package in $wanted; do
		# shellcheck disable=SC2016
		case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
		installed) ;;
		*) printf '%s ' "$package" ;;
		esac
	done
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# a mirror that is being updated answers an error for a moment
retry() {
	for pause in 2 5 10 0; do
		"$@" && return 0
		sleep "$pause"
	done
	return 1
}

policy=/usr/sbin/policy-rc.d
made_policy=''

# the packages' own daemons must not start: the dev cluster brings its own
hold_daemons() {
	[ ! -e "$policy" ] || return 0
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null &&
		as_root chmod 755 "$policy" && made_policy=yes
}

release_daemons() {
	[ -z "$made_policy" ] || as_root rm -f "$policy"
}

case ${1:-} in
--help | -h) sed -n '3,6s/^# //p' "$0" && exit 0 ;;
--list)
	# shellcheck disable=SC2086
	echo $wanted
	exit 0
	;;
?*)
	echo "packages: unexpected argument '$1'; see packages.sh --help" >&2
	exit 2
	;;
esac
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	# shellcheck disable=SC2086
	echo "packages: not a Debian system; install what is called there:" $wanted >&2
	exit 4
fi
need=$(missing)
[ -n "$need" ] || exit 0
if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
	echo "packages: missing, and only root can install them: $need" >&2
	exit 4
fi
echo "packages: installing $need" >&2
trap release_daemons EXIT
trap 'exit 5' HUP INT TERM
hold_daemons
retry as_root apt-get -qq update || echo "packages: apt-get update failed, going on" >&2
# shellcheck disable=SC2086
retry as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
	-o Dpkg::Use-Pty=0 --no-install-recommends $need >/dev/null || {
	echo "packages: cannot install $need" >&2
	exit 4
}
