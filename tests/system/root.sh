#!/bin/sh
# Makes what the tests under a real systemd need: the Debian package, and a root folder that has
# what the package depends on.
#   sh tests/system/root.sh BUILD FOLDER
# BUILD is a configured Release build. Afterwards FOLDER has package/*.deb and root/. The root
# folder takes debootstrap half a minute and is kept; it is made again when the dependencies or
# the distribution change. Needs root for the root folder.
set -eu
[ $# = 2 ] || { sed -n '2,7p' "$0" >&2; exit 2; }
build=$(cd "$1" && pwd)
mkdir -p "$2"
folder=$(cd "$2" && pwd)

run() { # quiet unless it fails
    "$@" >"$folder/log" 2>&1 || {
        tail -n 30 "$folder/log" >&2
        echo "error: $1 failed (whole output: $folder/log)" >&2
        exit 1
    }
}

rm -rf "$folder/package"
run cpack -G DEB --config "$build/CPackConfig.cmake" -B "$folder/package"
package=$(ls "$folder"/package/*.deb)

# The distribution and the mirror of this machine: what was linked here must load there.
. /etc/os-release
indexes=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' | grep "^https\{0,1\}://[^ ]* $VERSION_CODENAME " || true)
mirror=$(echo "$indexes" | cut -d' ' -f1 | head -n 1)
components=$(echo "$indexes" | cut -d' ' -f3 | grep -x 'main\|universe' | sort -u | paste -sd,)
case $ID in
ubuntu) default=http://archive.ubuntu.com/ubuntu ;;
*) default=http://deb.debian.org/debian ;;
esac
depends=$(dpkg-deb -f "$package" Depends | sed 's/([^)]*)//g; s/|[^,]*//g; s/ //g')
include="$depends,systemd-sysv"
wanted="$VERSION_CODENAME ${components:-main} $include"
[ "$wanted" != "$(cat "$folder/root.made" 2>/dev/null)" ] || exit 0

rm -rf "$folder/root" "$folder/root.made"
echo "debootstrap $VERSION_CODENAME from ${mirror:-$default}"
run debootstrap --variant=minbase --components="${components:-main}" --include="$include" \
    "$VERSION_CODENAME" "$folder/root" "${mirror:-$default}"
rm -rf "$folder"/root/var/cache/apt/* "$folder"/root/var/lib/apt/lists/* \
    "$folder"/root/usr/share/doc "$folder"/root/usr/share/locale
echo "$wanted" >"$folder/root.made"
