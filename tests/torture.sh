#!/bin/sh
# Every allocation failure in turn, by hand: tests/torture/torture.py on a build without sanitizers.
# Not green yet, so no part of CI: of a sample of 339 places 29 failed (torture.py).
#   sh tests/torture.sh all|SECONDS [BUILD]      default: build; TORTURE_SEED repeats a sample
set -eu
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
cd "$(dirname "$0")/.."
exec /usr/bin/python3 tests/torture/torture.py "${2:-build}" "$1"
