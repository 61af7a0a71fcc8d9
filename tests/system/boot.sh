#!/bin/sh
# Boots a real systemd as PID 1 of namespaces of its own and runs a command beside it: in its
# network, which has only lo, but with this machine's files and processes.
#   sh tests/system/boot.sh BUILD FOLDER COMMAND...
# BUILD and FOLDER are root.sh's. The root folder is copied to memory first: nothing that happens
# in it is kept, and no file of this machine can be written by that systemd (it would clean /tmp).
# The command finds the PID of that systemd in PENSTOCK_INIT (nsenter --target it --all gets in)
# and the Debian package in PENSTOCK_PACKAGE, which was made of PENSTOCK_PACKAGED.
# Exit code: that of the command; 77 when the kernel does not let us make namespaces; 1 otherwise.
# After it, however it ends, no process, mount or control group is left.
set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
seconds=${PENSTOCK_SYSTEM_SECONDS:-240} # the command is interrupted after that

fail() {
    echo "error: $*" >&2
    exit 1
}

# ---- 3: PID 1, in all its namespaces: builds /, then becomes systemd ----
if [ "${1:-}" = --init ]; then
    top=$2
    cd "$top/root"
    mount -t proc proc proc
    mount --bind proc/sys proc/sys # settings of the one kernel: not to be written
    mount -o remount,bind,ro proc/sys
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
    mount -t tmpfs -o mode=755,nosuid tmpfs dev
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
    mount -t tmpfs -o nosuid,nodev tmpfs dev/shm
    for node in null:3 zero:5 full:7 random:8 urandom:9; do
        mknod -m 666 "dev/${node%:*}" c 1 "${node#*:}"
    done
    mknod -m 666 dev/tty c 5 0
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    # What looks after a machine of its own.
    for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
        e2scrub_reap.service fstrim.timer systemd-modules-load.service; do
        ln -sf /dev/null "etc/systemd/system/$unit"
    done
    # This machine's programs, to read only: for tests that need a node or a python.
    mkdir -p opt/host
    mount --bind /usr opt/host
    mount -o remount,bind,ro opt/host
    pivot_root . mnt
    cd /
    umount -l /mnt
    mount --make-rshared / # as systemd does itself outside a container: LoadCredential= needs it
    exec /usr/bin/env -i container=penstock-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --system --unit=multi-user.target --show-status=no \
        --log-target=journal </dev/null >/dev/null 2>&1
fi
if [ "${1:-}" = --enter ]; then # its own control group, then a namespace that begins there
    echo 0 >"$2/cgroup/$3/cgroup.procs"
    exec unshare --cgroup sh "$0" --init "$2"
fi

# ---- 2: its own mounts, its parent's everything else: holds what must be cleaned up ----
if [ "${1:-}" = --hold ]; then
    top=$2 root=$3
    group=penstock-test-$$
    unshare= init=
    clean() {
        trap - EXIT
        [ -z "$init" ] || kill -KILL "$init" 2>/dev/null || true
        [ -z "$unshare" ] || wait "$unshare" 2>/dev/null || true
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            find "$top/cgroup/$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
            [ -d "$top/cgroup/$group" ] || break
            sleep 0.2
        done
        umount -l "$top/root" "$top/cgroup" 2>/dev/null || true
        rm -rf "$top/init" "$top/error"
        rmdir "$top/root" "$top/cgroup" "$top" 2>/dev/null || true
    }
    trap clean EXIT
    trap 'exit 1' INT TERM HUP
    mkdir -p "$top/cgroup" "$top/root"
    mount -t cgroup2 cgroup2 "$top/cgroup"
    mkdir "$top/cgroup/$group"
    mount -t tmpfs -o mode=755,size=2g tmpfs "$top/root"
    cp -a "$root/." "$top/root/"
    unshare --pid --fork --kill-child --mount --uts --ipc --net \
        sh "$0" --enter "$top" "$group" 2>"$top/error" &
    unshare=$!
    while [ -z "$init" ]; do
        kill -0 "$unshare" 2>/dev/null || fail "unshare ended: $(cat "$top/error")"
        sleep 0.02
        read -r init <"/proc/$unshare/task/$unshare/children" || true
    done
    echo "$init" >"$top/init"
    wait "$unshare" || true
    exit 0
fi

# ---- 1: this machine ----
[ $# -ge 3 ] || { sed -n '2,11p' "$0" >&2; exit 2; }
if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "skipped: namespaces need root, and sudo -n does not give it"
        exit 77
    fi
    exec sudo -n --preserve-env=PENSTOCK_BUILD,PENSTOCK_STORES,PATH sh "$0" "$@"
fi
build=$1 folder=$2
shift 2

# What the kernel refuses is a reason to skip; nothing else is.
if ! said=$(unshare --mount --pid --fork --uts --ipc --cgroup --net --mount-proc sh -c '
        mount -t tmpfs tmpfs /mnt && mount -t cgroup2 cgroup2 /mnt' 2>&1); then
    case $said in
    *'not permitted'* | *'ermission denied'* | *'not implemented'* | *'unknown filesystem'*)
        echo "skipped: the kernel refuses namespaces or mounts: $said"
        exit 77
        ;;
    esac
    fail "namespaces: $said"
fi

sh "$here/root.sh" "$build" "$folder"
root=$(cd "$folder/root" && pwd)
PENSTOCK_PACKAGE=$(ls "$root"/../package/*.deb)
PENSTOCK_PACKAGED=$(cd "$build" && pwd)
export PENSTOCK_PACKAGE PENSTOCK_PACKAGED

top=$(mktemp -d)
holder= command=
clean() {
    trap - EXIT
    if [ -n "$command" ]; then
        kill -INT "$command" 2>/dev/null || true
        wait "$command" 2>/dev/null || true
    fi
    if [ -n "$holder" ]; then
        kill -TERM "$holder" 2>/dev/null || true
        wait "$holder" 2>/dev/null || true
    fi
    [ ! -d "$top" ] || rmdir "$top" 2>/dev/null || true # the holder's, once it runs
}
trap clean EXIT
trap 'exit 1' INT TERM HUP
# pdeathsig: all is cleaned up even when this shell is killed outright.
setpriv --pdeathsig TERM unshare --mount --propagation private sh "$0" --hold "$top" "$root" &
holder=$!

within() { nsenter --target "$init" --all "$@"; }
tries=0
until [ -s "$top/init" ]; do
    kill -0 "$holder" 2>/dev/null || fail "the namespaces did not come up"
    tries=$((tries + 1))
    [ $tries -lt 600 ] || fail "the root folder was not copied in 60 s"
    sleep 0.1
done
read -r init <"$top/init"
tries=0
until state=$(within systemctl is-system-running 2>/dev/null) || [ "$state" = degraded ]; do
    kill -0 "$init" 2>/dev/null || fail "systemd ended: $(cat "$top/error")"
    tries=$((tries + 1))
    [ $tries -lt 300 ] || fail "systemd has not booted in 30 s: $state"
    sleep 0.1
done
export PENSTOCK_INIT="$init"
code=0
# In the background, so that signals reach this shell; there a shell has SIGINT ignored.
env --default-signal=INT setpriv --pdeathsig INT timeout --signal=INT --kill-after=20 "$seconds" \
    nsenter --target "$init" --net "$@" &
command=$!
wait "$command" || code=$?
command=
[ $code != 124 ] || echo "error: interrupted after $seconds s" >&2
[ $code != 77 ] || code=1 # that is ours to say
exit $code
