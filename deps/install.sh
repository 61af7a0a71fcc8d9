#!/bin/sh
# Installs the Debian packages of deps/packages.txt that are missing.
# usage: sh deps/install.sh PURPOSE...     PURPOSE: build, test, local, compare
set -eu
here=$(cd "$(dirname "$0")" && pwd)
missing=
for purpose in "$@"; do
    while read -r for_what package command; do
        [ "$for_what" = "$purpose" ] || continue
        if [ "$command" != - ] && command -v "$command" >/dev/null 2>&1; then
            continue
        fi
        if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
            missing="$missing $package"
        fi
    done <"$here/packages.txt"
done
[ -n "$missing" ] || exit 0

echo "installing:$missing"
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "error: not root and no sudo; install by hand: apt-get install$missing" >&2
        exit 1
    }
    as_root=sudo
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
