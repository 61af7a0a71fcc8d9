#!/bin/sh
# What Penstock costs beside CPU: mallocs per request in the steady state, memory per idle client
# connection, time from exec to the first stored write. One worker, TLS to penstock-sink.
#   sh bench/footprint.sh [BUILD]        default: build
# Environment: IDLE (10000) connections to open and leave silent.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
idle=${IDLE:-10000}
. bench/common.sh
need_commands wrk curl python3
need_built penstock penstock-sink libmalloc_count.so
work_begin
ulimit -n "$(ulimit -Hn)"
start_sink --table Music:Artist:SongTitle
# Every connection that may ever be opened is, from the start: a handshake allocates.
configure_music "max_connections: 8, warm_connections: 8" \
    "limits: {connections: 12000, first_byte_timeout_ms: 600000}"

mallocs() {
    od -An -t u8 "$work/mallocs" | tr -d ' '
}

AWS_ACCESS_KEY_ID=k AWS_SECRET_ACCESS_KEY=s \
    python3 bench/footprint.py first-write "$port" 15 \
    "$build/penstock" run -c "$work/penstock.yaml"

head -c 8 /dev/zero >"$work/mallocs"
start_penstock LD_PRELOAD="$build/libmalloc_count.so" MALLOC_COUNT="$work/mallocs"
wrk -t1 -c64 -d2s -s bench/post.lua "http://127.0.0.1:$port" >/dev/null
before=$(mallocs)
wrk -t1 -c64 -d3s -s bench/post.lua "http://127.0.0.1:$port" >"$work/out"
after=$(mallocs)
eval "$(sed -n 's/^RESULT //p' "$work/out")"
awk -v m=$((after - before)) -v n="$stored" -v all="$before" 'BEGIN {
    printf "mallocs: %d in %d requests, %.5f per request (%d before that: start and warm-up)\n",
        m, n, m / n, all }'
kill "$penstock"
wait "$penstock" || true

start_penstock
python3 bench/footprint.py idle "$penstock" "$port" "$idle"
