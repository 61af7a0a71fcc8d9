#!/bin/sh
# What Penstock costs beside CPU: mallocs per request in the steady state, memory per idle client
# connection, time from exec to the first stored write. One worker, TLS to penstock-sink.
#   sh bench/footprint.sh [BUILD]        default: build
# Environment: IDLE (10000) connections to open and leave silent.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
idle=${IDLE:-10000}
port=18081 admin=19101 sink_port=18444
work=$(mktemp -d)
pids=
stop() {
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    pids=
}
trap 'stop; rm -rf "$work"' EXIT INT TERM
cat >"$work/penstock.yaml" <<EOF
listen: [{address: 127.0.0.1:$port}]
admin: 127.0.0.1:$admin
workers: 1
log: {access: false, level: warn}
limits: {connections: 12000, first_byte_timeout_ms: 600000}
dynamodb: {endpoint: 'https://localhost:$sink_port', region: eu-west-1, ca_file: $work/sink.pem}
tables: [{name: Music, partition_key: {name: Artist}, sort_key: {name: SongTitle}}]
routes: [{route: POST /music, put_item: {table: Music}}]
EOF
ulimit -n "$(ulimit -Hn)"
"$build/penstock-sink" --listen "127.0.0.1:$sink_port" --cert-out "$work/sink.pem" \
    --table Music:Artist:SongTitle >"$work/sink.log" 2>&1 &
pids="$pids $!"
sleep 0.5
export AWS_ACCESS_KEY_ID=k AWS_SECRET_ACCESS_KEY=s

start() { # [PRELOAD]
    LD_PRELOAD=${1:-} "$build/penstock" run -c "$work/penstock.yaml" 2>"$work/penstock.log" &
    pid=$!
    pids="$pids $pid"
    until curl -sf "http://127.0.0.1:$admin/readyz" >/dev/null; do sleep 0.1; done
}
mallocs() {
    kill -USR2 "$pid"
    sleep 0.3
    sed -n 's/^MALLOCS //p' "$work/penstock.log" | tail -1
}

python3 bench/footprint.py first-write "$build/penstock" "$work/penstock.yaml" "$port"

start "$build/libmalloc_count.so"
wrk -t1 -c64 -d2s -s bench/post.lua "http://127.0.0.1:$port" >/dev/null
before=$(mallocs)
wrk -t1 -c64 -d3s -s bench/post.lua "http://127.0.0.1:$port" >"$work/out"
after=$(mallocs)
eval "$(sed -n 's/^RESULT //p' "$work/out")"
awk -v m=$((after - before)) -v n="$stored" -v all="$before" 'BEGIN {
    printf "mallocs: %d in %d requests, %.5f per request (%d before that: start and warm-up)\n",
        m, n, m / n, all }'
kill "$pid"
wait "$pid" || true

start
python3 bench/footprint.py idle "$pid" "$port" "$idle"
