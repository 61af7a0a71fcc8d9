#!/bin/sh
# CPU microseconds (user + system of the service) per acknowledged write: one worker, TLS to
# penstock-sink, 250-byte bodies, wrk in a closed loop. The floor is nginx answering 201 and nothing
# else, in the same interleaved run: it says how fast the machine is just then.
#   sh bench/cpu_per_write.sh [BUILD] [CONNECTIONS...]     default: build 64 512
# Environment: SECONDS_PER_RUN (5), ROUNDS (3), MODES ("floor single coalesced").
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
[ $# -gt 0 ] && shift
connections=${*:-64 512}
seconds=${SECONDS_PER_RUN:-5}
rounds=${ROUNDS:-3}
modes=${MODES:-floor single coalesced}
port=18080 admin=19100 sink_port=18443
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

for tool in wrk nginx; do
    command -v $tool >/dev/null || { echo "error: no $tool (apt-get install $tool)" >&2; exit 1; }
done
for program in penstock penstock-sink; do
    [ -x "$build/$program" ] || { echo "error: no $build/$program; build first" >&2; exit 1; }
done

configuration() { # MODE
    items=25
    [ "$1" = single ] && items=1
    cat <<EOF
listen: [{address: 127.0.0.1:$port}]
admin: 127.0.0.1:$admin
workers: 1
log: {access: false, level: warn}
dynamodb:
  endpoint: https://localhost:$sink_port
  region: eu-west-1
  ca_file: $work/sink.pem
  batch: {max_items: $items}
tables: [{name: Music, partition_key: {name: Artist}, sort_key: {name: SongTitle}}]
routes: [{route: POST /music, put_item: {table: Music}}]
EOF
}

cpu_ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
ready() {
    tries=0
    until curl -sf "http://127.0.0.1:$admin/readyz" >/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { cat "$work/penstock.log" >&2; exit 1; }
        sleep 0.1
    done
}

hz=$(getconf CLK_TCK)

start_floor() {
    cat >"$work/nginx.conf" <<EOF
worker_processes 1; master_process off; daemon off; pid $work/nginx.pid; error_log /dev/null;
events { worker_connections 4000; }
http { access_log off; keepalive_requests 100000000;
  server { listen 127.0.0.1:$port; location / { return 201; } } }
EOF
    nginx -c "$work/nginx.conf" 2>/dev/null &
    pid=$!
    pids="$pids $pid"
    sleep 0.5
}
start_penstock() { # MODE
    "$build/penstock-sink" --listen "127.0.0.1:$sink_port" --cert-out "$work/sink.pem" \
        --table Music:Artist:SongTitle --json "$work/sink.json" >"$work/sink.log" 2>&1 &
    sink=$!
    pids="$pids $sink"
    sleep 0.5
    configuration "$1" >"$work/penstock.yaml"
    AWS_ACCESS_KEY_ID=k AWS_SECRET_ACCESS_KEY=s "$build/penstock" run -c "$work/penstock.yaml" \
        2>"$work/penstock.log" &
    pid=$!
    pids="$pids $pid"
    ready
}
measure() { # MODE CONNECTIONS
    wrk -t1 -c"$2" -d1s -s bench/post.lua "http://127.0.0.1:$port" >/dev/null
    before=$(cpu_ticks "$pid")
    wrk -t1 -c"$2" -d"${seconds}s" -s bench/post.lua "http://127.0.0.1:$port" >"$work/out"
    after=$(cpu_ticks "$pid")
    peak=$(awk '/VmHWM/ {printf "%.1f", $2 / 1024}' "/proc/$pid/status")
    eval "$(sed -n 's/^RESULT //p' "$work/out")"
    stop
    batch=-
    [ "$1" = floor ] || batch=$(python3 -c 'import json, sys
s = json.load(open(sys.argv[1])); print("%.1f" % (s["items"] / s["requests"]))' "$work/sink.json")
    awk -v mode="$1" -v c="$2" -v t=$((after - before)) -v hz="$hz" -v n="$stored" \
        -v s="$elapsed" -v p50="$p50_ms" -v p99="$p99_ms" -v peak="$peak" -v batch="$batch" \
        -v other="$other" -v errors="$errors" 'BEGIN {
        printf "| %s | %d | %.2f | %.0f | %s | %s | %s | %s | %d | %d |\n", mode, c,
            t / hz * 1e6 / n, n / s, p50, p99, batch, peak, other, errors }'
}

printf '| mode | connections | CPU us/write | writes/s | p50 ms | p99 ms | mean batch | peak MB | other | errors |\n'
printf '|---|---|---|---|---|---|---|---|---|---|\n'
round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    for c in $connections; do
        for mode in $modes; do
            case $mode in
            floor) start_floor ;;
            *) start_penstock "$mode" ;;
            esac
            measure "$mode" "$c"
        done
    done
done
