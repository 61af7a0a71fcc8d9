#!/bin/sh
# Every allocation failure in turn: tests/torture/torture.py on a build without sanitizers. CI takes
# a sample of a minute, another one each time; its first line has the seed.
#   sh tests/torture.sh all|sample|SECONDS [BUILD]     default: build; TORTURE_SEED repeats a sample
set -eu
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
cd "$(dirname "$0")/.."
exec /usr/bin/python3 tests/torture/torture.py "${2:-build}" "$1"
