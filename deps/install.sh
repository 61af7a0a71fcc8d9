#!/bin/sh
# Installs the Debian packages of deps/packages.txt that are missing.
# usage: sh deps/install.sh PURPOSE...     PURPOSE: build, test, local, compare, unpack
set -eu
here=$(cd "$(dirname "$0")" && pwd)
missing=
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo

# Nothing is installed: the package's program is taken out of it.
unpack() { # PACKAGE COMMAND
    tools=$here/../build/tools
    [ ! -x "$tools/$2" ] || return 0
    echo "unpacking: $2 of $1"
    into=$(mktemp -d)
    # The package index may be old or absent.
    if ! (cd "$into" && { apt-get download "$1" || { $as_root apt-get update &&
        apt-get download "$1"; }; } && dpkg -x ./*.deb .) >"$into/log" 2>&1; then
        tail -n 20 "$into/log" >&2
        echo "error: apt-get download $1 failed; check the network, then run this again." >&2
        exit 1
    fi
    mkdir -p "$tools"
    mv "$into"/usr/*bin/"$2" "$tools/$2"
    rm -rf "$into"
}

for purpose in "$@"; do
    while read -r for_what package command; do
        [ "$for_what" = "$purpose" ] || continue
        if [ "$command" != - ] && command -v "$command" >/dev/null 2>&1; then
            continue
        fi
        if [ "$purpose" = unpack ]; then
            unpack "$package" "$command"
        elif ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
            missing="$missing $package"
        fi
    done <"$here/packages.txt"
done
[ -n "$missing" ] || exit 0

echo "installing:$missing"
if [ -n "$as_root" ] && ! command -v sudo >/dev/null 2>&1; then
    echo "error: not root and no sudo; install by hand: apt-get install$missing" >&2
    exit 1
fi
log=$(mktemp)
install() {
    # shellcheck disable=SC2086  # a list of package names
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends $missing >>"$log" 2>&1
}
# The package index may be old or absent: refresh it, and go on with what there is if that fails.
$as_root apt-get update >"$log" 2>&1 || true
if ! install; then
    tail -n 20 "$log" >&2
    echo "error: apt-get install failed (whole output: $log)." >&2
    echo "Check the network and /etc/apt/sources.list, then run this again." >&2
    exit 1
fi
rm -f "$log"
