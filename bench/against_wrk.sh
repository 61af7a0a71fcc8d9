#!/bin/sh
# penstock-bench beside wrk: one interleaved run against nginx answering 201, closed loop, one
# thread each. Prints a Markdown table of the rounds and the median ratios.
#   sh bench/against_wrk.sh [BUILD] [CONNECTIONS]     default: build 64
# Environment: SECONDS_PER_RUN (3), ROUNDS (5).
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
connections=${2:-64}
seconds=${SECONDS_PER_RUN:-3}
rounds=${ROUNDS:-5}
. bench/common.sh
need_commands wrk nginx curl python3
need_built penstock-bench
work_begin
mkdir "$work/tmp"
cat >"$work/nginx.conf" <<EOF
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log $work/error.log;
events { worker_connections 4096; }
http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path $work/tmp;
    proxy_temp_path $work/tmp;
    fastcgi_temp_path $work/tmp;
    uwsgi_temp_path $work/tmp;
    scgi_temp_path $work/tmp;
    server { listen 127.0.0.1:$port; return 201 "ok"; }
}
EOF
url=http://127.0.0.1:$port/
nginx -c "$work/nginx.conf" 2>/dev/null &
remember
wait_for nginx "$work/error.log" answers "$url"

# CPU of the children that have ended, in microseconds.
children_us() {
    times >"$work/times"
    sed -n 2p "$work/times" | tr 'ms' '  ' | awk '{ printf "%.0f", 1e6 * (60 * ($1 + $3) + $2 + $4) }'
}
run() { # COMMAND...: its output in $work/out, its CPU in $cpu_us
    children_us >"$work/before"
    "$@" >"$work/out" || { cat "$work/out" >&2; fail "$1 failed"; }
    children_us >"$work/after"
    cpu_us=$(($(cat "$work/after") - $(cat "$work/before")))
}

printf '| tool | requests/s | p50 ms | p90 ms | p99 ms | its own CPU us/request |\n|---|---|---|---|---|---|\n'
round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    run wrk -t1 -c"$connections" -d"${seconds}s" --latency "$url"
    awk -v cpu=$cpu_us '
        function ms(v) { return v ~ /us$/ ? v / 1000 : v ~ /ms$/ ? v + 0 : v * 1000 }
        /^ *(50|90|99)%/ { p[$1] = ms($2) }
        / requests in / { n = $1 }
        /Requests\/sec/ { rate = $2 }
        END { printf "| wrk | %.0f | %.3f | %.3f | %.3f | %.2f |\n", rate, p["50%"], p["90%"],
              p["99%"], cpu / n }' "$work/out" | tee -a "$work/rows"
    run "$build/penstock-bench" -t 1 -c "$connections" -d "$seconds" "$url"
    awk -v cpu=$cpu_us '
        $1 == "rate" { rate = $2; n = substr($4, 2) }
        $1 ~ /^p(50|90|99)$/ { p[$1] = $2 }
        END { printf "| penstock-bench | %.0f | %.3f | %.3f | %.3f | %.2f |\n", rate, p["p50"],
              p["p90"], p["p99"], cpu / n }' "$work/out" | tee -a "$work/rows"
done
# A round's two runs follow each other, so their ratio says more than that of the medians.
python3 - "$work/rows" <<'END'
import statistics, sys
rows = [[float(cell) for cell in line.split("|")[2:7]] for line in open(sys.argv[1])]
ratios = [[b / a for a, b in zip(wrk, ours)] for wrk, ours in zip(rows[::2], rows[1::2])]
names = ("rate", "p50", "p90", "p99", "own CPU")
print("\npenstock-bench / wrk, median of the rounds: " + ", ".join(
    f"{name} {statistics.median(column):.2f}" for name, column in zip(names, zip(*ratios))))
END
