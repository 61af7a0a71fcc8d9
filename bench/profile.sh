#!/bin/sh
# Where the CPU time of a write goes: the kernel, the libraries, and each folder of src/, as shares
# and as microseconds per acknowledged write. One worker, TLS to penstock-sink, 250-byte bodies, wrk
# in a closed loop. perf samples the program; what the compiler has inlined counts where it ended.
#   sh bench/profile.sh [BUILD] [CONNECTIONS...]     default: build 64
# Environment: SECONDS_PER_RUN (5), MODES ("coalesced single").
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
[ $# -gt 0 ] && shift
connections=${*:-64}
seconds=${SECONDS_PER_RUN:-5}
. bench/common.sh
need_commands wrk curl python3 perf nm
need_built penstock penstock-sink
work_begin

hz=$(getconf CLK_TCK)
for library in "$build"/src/libpenstock_*.a; do
    folder=${library##*/libpenstock_}
    nm "$library" 2>/dev/null | awk -v folder="${folder%.a}" '$2 ~ /^[tTW]$/ {print $3, folder}'
done | sort -u >"$work/folders"

load() { # CONNECTIONS SECONDS
    wrk -t1 -c"$1" -d"$2s" -s bench/post.lua "http://127.0.0.1:$port"
}
profile() { # MODE CONNECTIONS
    load "$2" 1 >/dev/null
    before=$(cpu_ticks "$penstock")
    perf record -q -o "$work/perf" -F 1999 -p "$penstock" 2>"$work/perf.log" &
    recorder=$!
    load "$2" "$seconds" >"$work/out"
    after=$(cpu_ticks "$penstock")
    kill -INT "$recorder"
    wait "$recorder" || true
    eval "$(sed -n 's/^RESULT //p' "$work/out")"
    perf report --stdio -i "$work/perf" -g none --sort dso,sym -t '|' >"$work/report" \
        2>"$work/perf.log" || { cat "$work/perf.log" >&2; fail "perf report"; }
    python3 - "$work" "$1" "$2" "$(((after - before) * 1000000 / hz))" "$stored" <<'END'
import collections, re, sys
work, mode, connections, cpu_us, stored = sys.argv[1:]
folders = collections.defaultdict(set)
for line in open(f"{work}/folders"):
    name, folder = line.split()
    folders[name].add(folder)
shares = collections.Counter()
for line in open(f"{work}/report"):
    cells = [cell.strip() for cell in line.split("|")]
    if line.startswith("#") or len(cells) < 3:
        continue
    share, library, symbol = float(cells[0].rstrip("%")), cells[1], cells[2]
    if library.startswith("[kernel"):
        what = "kernel"
    elif library == "penstock":
        name = re.sub(r"(\.(part|isra|constprop|lto_priv|cold)(\.\d+)*)+$", "", symbol.split()[-1])
        homes = folders.get(name, set())
        what = f"{min(homes)}/" if len(homes) == 1 else "llhttp" if "llhttp" in name else \
            "ours, its name in several folders"
    else:
        what = re.sub(r"\.so.*", "", library)
    shares[what] += share
cost, total = int(cpu_us) / int(stored), sum(shares.values())
print(f"{mode}, {connections} connections: {cost:.1f} CPU us per write, {stored} writes\n")
print("| where | share | CPU us/write |\n|---|---|---|")
for what, share in shares.most_common():
    if share / total >= 0.001:
        print(f"| {what} | {100 * share / total:.1f} % | {cost * share / total:.2f} |")
print()
END
}

for c in $connections; do
    for mode in ${MODES:-coalesced single}; do
        case $mode in
        coalesced) under="batch: {max_items: 25}" ;;
        single) under="batch: {max_items: 1}" ;;
        *) fail "no mode $mode: coalesced, single" ;;
        esac
        start_sink --table Music:Artist:SongTitle
        configure_music "$under"
        start_penstock
        profile "$mode" "$c"
        stop
    done
done
