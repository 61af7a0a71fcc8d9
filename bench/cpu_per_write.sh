#!/bin/sh
# CPU microseconds (user + system of the service) per acknowledged write: one worker, TLS to
# penstock-sink, 250-byte bodies, wrk in a closed loop. The floor (penstock-floor: libuv answers 201
# and nothing else) is in the same interleaved run: it says how fast the machine is just then.
# Pipelined is single with several requests in flight on each of a few connections. A row a round,
# then a summary: medians and least of the rounds, and as multiples of the floor of the same round.
#   sh bench/cpu_per_write.sh [BUILD] [CONNECTIONS...]     default: build 64 512
# Environment: SECONDS_PER_RUN (5), ROUNDS (3), MODES ("floor single pipelined coalesced").
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
[ $# -gt 0 ] && shift
connections=${*:-64 512}
seconds=${SECONDS_PER_RUN:-5}
rounds=${ROUNDS:-3}
modes=${MODES:-floor single pipelined coalesced}
. bench/common.sh
need_commands wrk curl python3
need_built penstock penstock-sink penstock-floor
work_begin

hz=$(getconf CLK_TCK)

start_floor() {
    "$build/penstock-floor" "$port" &
    remember
    wait_for penstock-floor "" answers "http://127.0.0.1:$port/"
}
serve() { # UNDER_DYNAMODB
    start_sink --table Music:Artist:SongTitle
    configure_music "$1"
    start_penstock
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
            t / hz * 1e6 / n, n / s, p50, p99, batch, peak, other, errors }' | tee -a "$work/rows"
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
            single) serve "batch: {max_items: 1}" ;;
            pipelined) serve "batch: {max_items: 1}, pipeline_depth: 16, max_connections: 8" ;;
            coalesced) serve "batch: {max_items: 25}" ;;
            *) fail "no mode $mode: floor, single, pipelined, coalesced" ;;
            esac
            pid=$started
            measure "$mode" "$c"
        done
    done
done

python3 - "$work/rows" <<'END'
import collections, statistics, sys
rounds = collections.defaultdict(list)
for line in open(sys.argv[1]):
    mode, connections, *figures = (cell.strip() for cell in line.split("|")[1:7])
    rounds[mode, connections].append([float(figure) for figure in figures])
print("\n| mode | connections | CPU us/write: median | least | times the floor: median | least"
      " | writes/s | p50 ms | p99 ms |\n|---|---|---|---|---|---|---|---|---|")
for (mode, connections), rows in sorted(rounds.items(), key=lambda item: int(item[0][1])):
    floor = rounds.get(("floor", connections))
    times = [row[0] / least[0] for row, least in zip(rows, floor)] if floor else []
    cpu, rate, p50, p99 = (statistics.median(column) for column in zip(*rows))
    ratios = f"{statistics.median(times):.2f} | {min(times):.2f}" if times else "- | -"
    print(f"| {mode} | {connections} | {cpu:.2f} | {min(row[0] for row in rows):.2f} | {ratios}"
          f" | {rate:.0f} | {p50:.3f} | {p99:.3f} |")
END
