#!/bin/sh
# Truth under fire at length: 200,000 operations a seed, by hand. What must hold is said in
# tests/integration/fire.py. Build first (a Release build for figures, the asan preset for faults).
#   sh tests/fire.sh [BUILD] [--seeds 1..20] [--ops 200000] [--plain] [--verbose] [--keep]
# A bad seed is run again with --seeds N --keep; the order of arrival, and so the script, varies
# a little from run to run.
set -eu
cd "$(dirname "$0")/.."
build=build
case ${1:-} in
'' | --*) ;;
*)
    build=$1
    shift
    ;;
esac
for program in penstock tools/fire_endpoint tools/fire_clients; do
    [ -x "$build/$program" ] || { echo "error: no $build/$program; build first" >&2; exit 1; }
done
PENSTOCK_BUILD=$(cd "$build" && pwd) exec /usr/bin/python3 tests/integration/fire.py "$@"
