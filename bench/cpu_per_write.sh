#!/bin/sh
# CPU microseconds (user + system of the service) per acknowledged write: one worker, TLS to
# penstock-sink, 250-byte bodies, wrk in a closed loop.
#   sh bench/cpu_per_write.sh [BUILD] [CONNECTIONS...]     default: build 64 512
# Environment: SECONDS_PER_RUN (5), ROUNDS (3), MODES ("single coalesced").
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
[ $# -gt 0 ] && shift
connections=${*:-64 512}
seconds=${SECONDS_PER_RUN:-5}
rounds=${ROUNDS:-3}
modes=${MODES:-single coalesced}
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

command -v wrk >/dev/null || { echo "error: wrk is missing (apt-get install wrk)" >&2; exit 1; }
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

"$build/penstock-sink" --listen "127.0.0.1:$sink_port" --cert-out "$work/sink.pem" \
    --table Music:Artist:SongTitle >"$work/sink.log" 2>&1 &
pids="$pids $!"
sleep 0.5
hz=$(getconf CLK_TCK)
printf '| mode | connections | CPU us/write | writes/s | p50 ms | p99 ms | peak MB | other | errors |\n'
printf '|---|---|---|---|---|---|---|---|---|\n'
round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    for mode in $modes; do
        for c in $connections; do
            configuration "$mode" >"$work/penstock.yaml"
            AWS_ACCESS_KEY_ID=k AWS_SECRET_ACCESS_KEY=s "$build/penstock" run \
                -c "$work/penstock.yaml" 2>"$work/penstock.log" &
            pid=$!
            pids="$pids $pid"
            ready
            wrk -t1 -c"$c" -d1s -s bench/post.lua "http://127.0.0.1:$port" >/dev/null
            before=$(cpu_ticks $pid)
            wrk -t1 -c"$c" -d"${seconds}s" -s bench/post.lua "http://127.0.0.1:$port" >"$work/out"
            after=$(cpu_ticks $pid)
            peak=$(awk '/VmHWM/ {printf "%.1f", $2 / 1024}' /proc/$pid/status)
            eval "$(sed -n 's/^RESULT //p' "$work/out")"
            awk -v mode="$mode" -v c="$c" -v t=$((after - before)) -v hz="$hz" -v n="$stored" \
                -v s="$seconds" -v p50="$p50_ms" -v p99="$p99_ms" -v peak="$peak" \
                -v other="$other" -v errors="$errors" 'BEGIN {
                printf "| %s | %d | %.2f | %.0f | %s | %s | %s | %d | %d |\n", mode, c,
                    t / hz * 1e6 / n, n / s, p50, p99, peak, other, errors }'
            kill $pid
            wait $pid || true
        done
    done
done
