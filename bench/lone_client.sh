#!/bin/sh
# What coalescing costs a client that is alone: p50 of a write with the default batch over that
# with batch.max_items 1. Two Penstocks are up at once and one client goes from one to the other
# in short slices (AB BA AB ...), so that whatever else the machine does falls on both; each pair
# of slices gives a ratio. The same of neighbouring slices of one Penstock shows what the noise is.
#   sh bench/lone_client.sh [BUILD]      default: build
# Environment: PAIRS (60), SLICE_MS (150), LATENCY_MS (0) of the endpoint.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
pairs=${PAIRS:-60}
slice=${SLICE_MS:-150}
. bench/common.sh
need_commands curl python3
need_built penstock penstock-sink penstock-bench
work_begin

start_sink --table Music:Artist:SongTitle --threads 1 --latency-ms "${LATENCY_MS:-0}"
configure_music "batch: {max_items: 1}"
start_penstock
alone=http://127.0.0.1:$port/music
port=$((port + 1)) admin=$((admin + 1))
configure_music
start_penstock
coalesced=http://127.0.0.1:$port/music

python3 - "$build/penstock-bench" "$alone" "$coalesced" "$pairs" "$slice" "$work/slice.json" <<'END'
import json, statistics, subprocess, sys
bench, alone, coalesced, pairs, slice_ms, file = sys.argv[1:]


def p50(url):
    r = subprocess.run([bench, "-t", "1", "-c", "1", "-w", "30ms", "-d", slice_ms + "ms", "-b",
                        '{"Artist":"{{uuid}}","SongTitle":"x"}', "--json", file, url],
                       capture_output=True, text=True)
    run = json.load(open(file))
    if r.returncode and run["answered"]:
        sys.exit(r.stdout + r.stderr)
    return run["latency_us"]["p50"]


def spread(ratios):
    """Median, its 95 % confidence interval (by ranks), and the middle half."""
    ratios = sorted(ratios)
    n = len(ratios)
    off = min(n // 2, round(0.98 * n ** 0.5))
    low, high = ratios[n // 2 - off], ratios[min(n - 1, n // 2 + off)]
    return (f"{statistics.median(ratios):.3f} (95 %: {low:.3f} to {high:.3f}; "
            f"half of them: {ratios[n // 4]:.3f} to {ratios[3 * n // 4]:.3f})")


def calm(slices):
    """Noise only adds: the median of the quarter that had least of it."""
    return statistics.median(sorted(slices)[:max(1, len(slices) // 4)])


one, many = [], []
for pair in range(int(pairs)):
    pair = {url: p50(url) for url in (alone, coalesced)[::1 if pair % 2 == 0 else -1]}
    if all(pair.values()):  # on a machine too busy a slice may be over before it began
        one.append(pair[alone])
        many.append(pair[coalesced])
print(f"{len(one)} pairs of slices of {slice_ms} ms, one client")
print(f"p50 of one PutItem per POST: {statistics.median(one):.0f} us; "
      f"coalesced: {statistics.median(many):.0f} us")
print(f"the calmest quarter: {calm(one):.1f} us; coalesced {calm(many):.1f} us, "
      f"{calm(many) / calm(one):.3f} times that")
print("coalesced / not:", spread([b / a for a, b in zip(one, many)]))
print("not / not, neighbouring slices:", spread([b / a for a, b in zip(one[::2], one[1::2])]))
END
