#!/bin/sh
# A soak: mixed load through haproxy on two instances while the store fails, one instance is
# restarted and configurations are reloaded. What must hold is said in tests/soak/soak.py; a table
# of samples and a verdict are printed, and the exit code is 1 when the verdict is bad.
#   sh tests/soak.sh [BUILD] [SECONDS]      BUILD: a Release build (build); SECONDS: 600
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
[ -x "$build/penstock" ] || { echo "error: no $build/penstock; build first" >&2; exit 1; }
PENSTOCK_BUILD=$(cd "$build" && pwd) exec /usr/bin/python3 tests/soak/soak.py "${2:-600}"
