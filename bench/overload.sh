#!/bin/sh
# Overload, in figures: what an open loop at 1/2, 2 and 10 times the sustainable rate gets, and how
# the rate upstream follows 60 s of full throttling.
#   sh bench/overload.sh [BUILD]      default: build
# The capacity is made small (one connection, 20 ms a round trip, so about 1200 writes/s), so that
# neither the load tool nor the CPU is what overloads. Environment: SECONDS_PER_RUN (10), STORM (60).
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
seconds=${SECONDS_PER_RUN:-10}
storm=${STORM:-60}
. bench/common.sh
[ "$storm" -gt 0 ] 2>/dev/null || fail "STORM=$storm: seconds, 1 at least"
need_commands curl python3
need_built penstock penstock-sink penstock-bench tools/fire_endpoint
work_begin

serve() { # TABLE SETTINGS
    configure "$1" "partition_key: {name: k}" /items "$2"
    start_penstock
}
load() { # RATE SECONDS WARMUP JSON
    "$build/penstock-bench" --connections 512 --rate "$1" --duration "$2s" --warmup "$3s" \
        --allow-errors 100 --pid $penstock --json "$4" \
        --body '{"k":"{{uuid}}","v":1,"filler":"'"$(printf '%0180d' 0)"'"}' \
        "http://127.0.0.1:$port/items" >"$work/bench.log" || { cat "$work/bench.log" >&2; exit 1; }
}

start_sink --table Items:k --latency-ms 20 --threads 1
serve Items "max_connections: 1, warm_connections: 1"
echo '| asked/s | accepted/s | p50 ms | p99 ms | refused/s | refused p50 ms | refused p99 ms | other |'
echo '|---|---|---|---|---|---|---|---|'
for rate in 600 1200 2400 12000 600; do
    load $rate "$seconds" 2 "$work/load.json"
    python3 - "$work/load.json" $rate <<'END'
import json, sys
j = json.load(open(sys.argv[1]))
n, s, a, r = j["seconds"], j["statuses"], j["accepted_us"], j["refused_us"]
other = sum(v for k, v in s.items() if k not in ("201", "503", "429")) + sum(j["errors"].values())
print(f"| {sys.argv[2]} | {s.get('201', 0) / n:.0f} | {a['p50'] / 1e3:.1f} | {a['p99'] / 1e3:.1f} |"
      f" {(s.get('503', 0) + s.get('429', 0)) / n:.0f} | {r['p50'] / 1e3:.2f} |"
      f" {r['p99'] / 1e3:.2f} | {other} |")
END
done
stop

"$build/tools/fire_endpoint" --listen "127.0.0.1:$sink_port" --percent 0 >"$work/fire.log" &
remember
fire=$started
wait_for fire_endpoint "$work/fire.log" answers "http://127.0.0.1:$sink_port/"
endpoint=http://127.0.0.1:$sink_port
serve Fire "deadline_ms: 5000"
load 4000 $((storm + 25)) 0 "$work/storm.json" &
client=$!
echo
echo "Full throttling for $storm s, 4000 writes/s asked: requests upstream and writes stored, a second"
python3 - "$admin" "$fire" "$storm" <<'END'
import os, signal, sys, time, urllib.request
admin, endpoint, storm = map(int, sys.argv[1:])


def counters():
    text = urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics").read().decode()
    upstream = stored = 0
    for line in text.splitlines():
        if line.startswith(("penstock_dynamodb_batches_total", "penstock_dynamodb_singles_total")):
            upstream += float(line.split()[-1])
        if line.startswith("penstock_dynamodb_ops_total") and '"ok"' in line:
            stored += float(line.split()[-1])
    return upstream, stored


rows, before, start = [], counters(), time.monotonic()
for second in range(1, storm + 21):
    if second == 6 or second == storm + 6:
        os.kill(endpoint, signal.SIGUSR2)
    time.sleep(max(0, start + second - time.monotonic()))
    now = counters()
    rows.append((now[0] - before[0], now[1] - before[1]))
    before = now
mean = lambda part, i: sum(r[i] for r in part) / len(part)
settling = min(10, storm // 2)
calm, late = rows[1:5], rows[5 + settling:storm + 5]
print(f"before: {mean(calm, 0):.0f} upstream, {mean(calm, 1):.0f} stored")
print(f"throttled, first {settling} s: {[int(r[0]) for r in rows[5:5 + settling]]}")
share = f"a {mean(calm, 0) / mean(late, 0):.0f}th" if any(r[0] for r in late) else "nothing"
print(f"throttled, after {settling} s: {mean(late, 0):.1f} upstream: {share}")
after = rows[storm + 5:]
print(f"stored in each second after its end: {[int(r[1]) for r in after]}")
back = next((i for i, r in enumerate(after) if r[1] >= 0.9 * mean(calm, 1)), None)
print(f"90 % again in second {back + 1 if back is not None else 'never'} after its end")
END
wait $client
sed -n '/accepted/p;/refused/p;/status/p' "$work/bench.log"
