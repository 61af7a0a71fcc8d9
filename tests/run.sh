#!/bin/sh
# Everything: installs what is missing, builds with sanitizers, runs every test. CTest's summary is
# the last thing printed when all is well.
#   sh tests/run.sh              PENSTOCK_FUZZ_SECONDS (30) bounds each fuzz target
set -eu
cd "$(dirname "$0")/.."
fuzz_seconds=${PENSTOCK_FUZZ_SECONDS:-30}
jobs=$(nproc)

step() { printf '\n==> %s\n' "$*"; }
build() {
    preset=$1
    shift
    step "building: $preset"
    mkdir -p "build/logs"
    if ! { cmake --preset "$preset" "$@" && cmake --build --preset "$preset"; } \
        >"build/logs/$preset.log" 2>&1; then
        tail -n 40 "build/logs/$preset.log" >&2
        echo "error: the $preset build failed (whole output: build/logs/$preset.log)" >&2
        exit 1
    fi
}

step "installing what is missing (deps/packages.txt)"
sh deps/install.sh build test unpack
step "fetching the stores"
sh deps/store.sh fetch dynoxide "$PWD/build/stores"
sh deps/store.sh fetch local "$PWD/build/stores"
step "fetching and compiling AWS's Node packages meanwhile"
sh deps/npm.sh "$PWD/build/npm" &
npm=$!

build asan
build fuzz -DPENSTOCK_FUZZ_SECONDS="$fuzz_seconds"
build tsan
build clang
build regress
wait "$npm"

step "running every test"
# One CTest run over all build folders, so that there is one summary.
mkdir -p build/all
printf 'subdirs("../asan" "../fuzz" "../tsan" "../regress")\n' >build/all/CTestTestfile.cmake
exec ctest --test-dir build/all -j "$jobs" --output-on-failure
