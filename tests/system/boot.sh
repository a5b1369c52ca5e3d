#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Boots a plain Debian, of the release that runs here and from its package sources, with systemd as
# its first process, in a container without any network but its own loopback, and runs a command
# beside it:
#
#     tests/system/boot.sh CACHE [PACKAGE.deb ...] -- COMMAND [ARGUMENT ...]
#
# COMMAND is a program of this machine, not of the container: it shares the container's network and
# sees its processes, so that it can reach its ports as a client would. It finds
#
#     BOOT_LEADER  the process id of the container's first process, for nsenter
#     BOOT_ROOT    the container's root directory
#     BOOT_DEBS    the packages, as the container sees them; what they depend on has been fetched,
#                  and `apt-get install` there needs no network
#
# In the environment: BOOT_FETCH, more packages to be fetched, separated by blanks; BOOT_INSTALLED,
# if not empty, has the packages installed before the container boots, as in an image's making.
#
# The root is made once and kept in CACHE for a week. Every process of the container lives in one
# namespace, every mount in another, and both end with this script, however it ends.
#
# The exit status is COMMAND's. Where no container can be booted, COMMAND is run without one, and
# BOOT_REFUSED tells it why.
set -euo pipefail

# What this machine does not allow; whether that matters is COMMAND's to say.
refuse() {
    echo "$*" >"$BOOT_STATUS"
    exit 125
}

######################################################################## outside

outer() {
    cache=$(readlink -m "$1")
    shift
    debs=()
    while [ "${1---}" != -- ]; do
        debs+=("$(readlink -e "$1")")
        shift
    done
    shift

    reason=$(why_not)
    [ -z "$reason" ] || BOOT_REFUSED=$reason exec "$@"

    mkdir -p "$cache"
    export BOOT_STATUS=$cache/refused-$$ BOOT_GROUP=chatroom-boot-$$
    work=$(mktemp -d "${TMPDIR:-/tmp}/chatroom-boot-$$.XXXXXX")
    child=
    trap cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
    setpriv --pdeathsig KILL unshare --mount --pid --ipc --fork --kill-child --mount-proc \
        --propagation private bash "$0" --inner "$work" "$cache" "${#debs[@]}" \
        ${debs[@]+"${debs[@]}"} "$@" &
    child=$!
    rc=0
    wait "$child" || rc=$?
    child=
    if [ -s "$BOOT_STATUS" ]; then
        rc=0
        BOOT_REFUSED=$(cat "$BOOT_STATUS") "$@" || rc=$?
    fi
    exit "$rc"
}

why_not() {
    [ "$(id -u)" = 0 ] || { echo 'only root can boot a container'; return; }
    for tool in apt-get flock mmdebstrap nsenter setpriv systemd-nspawn unshare; do
        command -v "$tool" >/dev/null || { echo "$tool is not installed"; return; }
    done
    unshare --mount --pid --ipc --net --fork true 2>/dev/null || echo 'no namespaces can be made'
}

cleanup() {
    trap - EXIT INT TERM HUP
    if [ -n "$child" ]; then
        kill -KILL "$child" 2>/dev/null || :
        wait "$child" 2>/dev/null || :
    fi
    rm -f "$BOOT_STATUS"
    rmdir "$work"
    # Control groups and directories: this run's, and those of runs that were killed outright.
    unshare --mount --propagation private bash -c '
        mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null || exit 0
        for group in /sys/fs/cgroup/chatroom-boot-*; do
            pid=${group##*-}
            [ -d "$group" ] && { [ "$pid" = "$1" ] || ! [ -d "/proc/$pid" ]; } || continue
            for _ in $(seq 25); do
                find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && break
                sleep 0.2
            done
        done' - "$$" || :
    for left in "${TMPDIR:-/tmp}"/chatroom-boot-*.??????; do
        pid=${left##*chatroom-boot-}
        [ -d "/proc/${pid%.*}" ] || rmdir "$left" 2>/dev/null || :
    done
}

######################### inside: the first process of namespaces of its own

inner() {
    work=$1 cache=$2 n=$3
    shift 3
    debs=("${@:1:n}")
    shift "$n"
    root=$work/root

    mount -t tmpfs -o mode=0755,size=75% chatroom-boot "$work" || refuse 'nothing can be mounted'
    mkdir "$root" "$work/tmp"
    # systemd-nspawn leaves things in /run, and wants the one kind of control groups.
    mkdir -p /run/systemd/nspawn
    mount -t tmpfs -o mode=0755 chatroom-boot /run/systemd/nspawn
    mkdir -p /sys/fs/cgroup
    mount -t cgroup2 none /sys/fs/cgroup && mkdir "/sys/fs/cgroup/$BOOT_GROUP" ||
        refuse 'there are no control groups of version 2'

    make_root
    take_packages
    boot
    rc=0
    nsenter --target "$leader" --net -- env BOOT_LEADER="$leader" BOOT_ROOT="$root" \
        BOOT_DEBS="${inside[*]-}" "$@" || rc=$?
    exit "$rc"
}

# The files of this machine's package sources that name its release, and how apt is told to read
# them here.
find_sources() {
    . /etc/os-release
    suite=${VERSION_CODENAME-}
    sources=()
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        case $file in *.list | *.sources) ;; *) continue ;; esac
        grep -Eqs "^[^#]*[ =]$suite( |\$|[-/])" "$file" && sources+=("$file")
    done
    [ -n "$suite" ] && [ "${#sources[@]}" -gt 0 ] || refuse 'apt has no sources for a Debian root'
    options=()
    while IFS= read -r option; do
        options+=("--aptopt=$option")
    done < <(apt-config dump | grep -E '^Acquire::(Check-|https?::|Retries)' || :)
}

make_root() {
    find_sources
    include=systemd,systemd-sysv,dbus
    key=$({ printf '%s\n' "$suite" "$include" ${options[@]+"${options[@]}"}
        cat "${sources[@]}"; } | sha256sum | cut -c 1-16)
    tarball=$cache/root-$suite-$key.tar
    exec 9>"$cache/lock"
    flock 9
    if [ ! -s "$tarball" ] || [ -n "$(find "$tarball" -mtime +7)" ]; then
        rm -f "$cache"/root-*.tar*
        TMPDIR=$work/tmp mmdebstrap --mode=root --variant=minbase --format=tar \
            --include="$include" --skip=cleanup/apt/lists ${options[@]+"${options[@]}"} \
            --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
            --dpkgopt=force-unsafe-io "$suite" "$tarball.part" "${sources[@]}" \
            >"$work/mmdebstrap.log" 2>&1 9>&- || {
            tail -n 20 "$work/mmdebstrap.log" >&2
            rm -f "$tarball.part"
            refuse 'no Debian root can be made: see above what mmdebstrap says'
        }
        mv "$tarball.part" "$tarball"
    fi
    exec 9>&-
    tar -C "$root" --numeric-owner --xattrs --xattrs-include='*' -xf "$tarball"
    # Or systemd would take this for a first boot.
    od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$root/etc/machine-id"
    echo chat-host >"$root/etc/hostname"
    printf '127.0.0.1 localhost chat-host\n::1 localhost\n' >"$root/etc/hosts"
}

take_packages() {
    inside=()
    mkdir "$root/srv/packages"
    for deb in ${debs[@]+"${debs[@]}"}; do
        cp "$deb" "$root/srv/packages/"
        inside+=("/srv/packages/${deb##*/}")
    done
    [ "${#inside[@]}" -gt 0 ] || return 0
    cp -L /etc/resolv.conf "$root/etc/" 2>/dev/null || :
    fetch >"$work/fetch.log" 2>&1 || {
        chroot "$root" apt-get -qq update && fetch
    } >>"$work/fetch.log" 2>&1 || {
        cat "$work/fetch.log" >&2
        refuse 'what the package depends on cannot be fetched'
    }
    rm -f "$root/etc/resolv.conf"
    [ -z "${BOOT_INSTALLED-}" ] || DEBIAN_FRONTEND=noninteractive chroot "$root" \
        apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install "${inside[@]}" \
        </dev/null >"$work/install.log" 2>&1 || { cat "$work/install.log" >&2 && exit 1; }
}

fetch() {
    # shellcheck disable=SC2086  # it is a list
    chroot "$root" apt-get -qq -y --no-install-recommends --download-only install "${inside[@]}" \
        ${BOOT_FETCH-}
}

boot() {
    console=$work/console
    # Without CAP_BPF the filters on addresses and devices would silently not be there.
    setsid bash -c 'echo $$ >"$1" && shift && exec "$@"' - \
        "/sys/fs/cgroup/$BOOT_GROUP/cgroup.procs" \
        systemd-nspawn --quiet --settings=no --directory="$root" --machine=chat-host \
        --register=no --keep-unit --private-network --link-journal=no --resolv-conf=off \
        --timezone=off --console=pipe --kill-signal=SIGRTMIN+4 \
        --capability=CAP_BPF,CAP_PERFMON --system-call-filter=bpf --boot \
        </dev/null >"$console" 2>&1 &
    nspawn=$!
    trap stop EXIT
    trap 'exit 143' TERM INT HUP
    for _ in $(seq 300); do
        kill -0 "$nspawn" 2>/dev/null || break
        # Its first child does not last; the one that does is systemd.
        read -r leader _ <"/proc/$nspawn/task/$nspawn/children" || :
        if [ "$(cat "/proc/${leader:-none}/comm" 2>/dev/null)" = systemd ]; then
            case $(nsenter --target "$leader" --all systemctl is-system-running 2>/dev/null) in
            running | degraded) return ;;
            esac
        fi
        sleep 0.1
    done
    cat "$console" >&2
    refuse 'the container does not boot: see above what it says'
}

stop() {
    trap - EXIT
    kill -TERM "$nspawn" 2>/dev/null || :
    for _ in $(seq 100); do
        kill -0 "$nspawn" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$nspawn" 2>/dev/null || :
    wait "$nspawn" 2>/dev/null || :
}

case ${1-} in
--inner) shift && inner "$@" ;;
'' | -*) sed -n '4,/^set/s/^# \?//p' "$0" >&2 && exit 2 ;;
*) outer "$@" ;;
esac
