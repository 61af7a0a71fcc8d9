#!/bin/sh
# penstock-bench beside wrk: one interleaved run against nginx answering 201, closed loop, one
# thread each. Prints a Markdown table of the rounds and the ratio of the median rates.
#   sh bench/against_wrk.sh [BUILD] [CONNECTIONS]     default: build 64
# Environment: SECONDS_PER_RUN (3), ROUNDS (5).
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
connections=${2:-64}
seconds=${SECONDS_PER_RUN:-3}
rounds=${ROUNDS:-5}
port=${PORT:-18201}
for program in wrk nginx; do
    command -v $program >/dev/null || {
        echo "error: $program is missing (apt-get install $program)" >&2
        exit 1
    }
done
[ -x "$build/penstock-bench" ] || { echo "error: no $build/penstock-bench; build first" >&2; exit 1; }

work=$(mktemp -d)
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
nginx -c "$work/nginx.conf" 2>/dev/null &
nginx=$!
trap 'kill $nginx 2>/dev/null || true; wait $nginx 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
url=http://127.0.0.1:$port/
sleep 0.5
kill -0 $nginx 2>/dev/null || { cat "$work/error.log" >&2; exit 1; }

printf '| tool | requests/s | p50 ms | p90 ms | p99 ms |\n|---|---|---|---|---|\n'
round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    wrk -t1 -c"$connections" -d"${seconds}s" --latency $url | awk '
        function ms(v) { return v ~ /us$/ ? v / 1000 : v ~ /ms$/ ? v + 0 : v * 1000 }
        / (50|90|99)% / || /^ *(50|90|99)%/ { p[$1] = ms($2) }
        /Requests\/sec/ { rate = $2 }
        END { printf "| wrk | %.0f | %.3f | %.3f | %.3f |\n", rate, p["50%"], p["90%"], p["99%"] }' |
        tee -a "$work/rows"
    "$build/penstock-bench" -t 1 -c "$connections" -d "$seconds" $url | awk '
        $1 == "rate" { rate = $2 }
        $1 ~ /^p(50|90|99)$/ { p[$1] = $2 }
        END { printf "| penstock-bench | %.0f | %.3f | %.3f | %.3f |\n", rate, p["p50"], p["p90"],
              p["p99"] }' |
        tee -a "$work/rows"
done
median() { # TOOL
    awk -F'|' -v tool=" $1 " '$2 == tool { print $3 + 0 }' "$work/rows" | sort -n |
        awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
printf '\nmedian rates: penstock-bench / wrk = '
awk -v a="$(median penstock-bench)" -v b="$(median wrk)" 'BEGIN { printf "%.2f\n", a / b }'
