#!/bin/sh
# penstock-bench beside wrk: one interleaved run against nginx answering 201, closed loop, one
# thread each. Prints Markdown tables; against_wrk.py says what is compared, and how.
#   sh bench/against_wrk.sh [--judge] [BUILD]     default: build; a Release build
# --judge is the test: only the regimes that have a verdict. Exit codes: 0 good, 1 they do not
# agree, 77 the machine is too noisy to tell.
# Environment, without --judge: SECONDS_PER_RUN (2), ROUNDS (7).
set -eu
cd "$(dirname "$0")/.."
judge=
if [ "${1:-}" = --judge ]; then
    judge=$1
    shift
fi
build=${1:-build}
. bench/common.sh
port=${PORT:-18560} sink_port=${SINK_PORT:-18561}
PATH=$PATH:$PWD/build/tools:/usr/sbin
need_commands wrk nginx curl python3
need_built penstock-bench penstock-sink
work_begin
mkdir "$work/tmp"

# What the sink does not know it answers with 400, late; that nginx turns into its 201.
cat >"$work/nginx.conf" <<EOT
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
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    upstream self { server 127.0.0.1:$port; keepalive 64; }
    upstream sink { server 127.0.0.1:$sink_port; keepalive 64; }
    split_clients \$connection.\$connection_requests \$late { 30% /slow; * ""; }
    server {
        listen 127.0.0.1:$port;
        location = / { return 201 "ok"; }
        location = /slow {
            proxy_pass http://sink;
            proxy_method POST;
            proxy_set_header X-Amz-Target DynamoDB_20120810.Nothing;
            proxy_intercept_errors on;
            error_page 400 =201 @created;
        }
        location @created { return 201 "ok"; }
        location = /mixed {
            if (\$late) { rewrite ^ \$late last; }
            return 201 "ok";
        }
        location = /busy { proxy_pass http://self/busy2; }
        location = /busy2 { proxy_pass http://self/; }
    }
}
EOT
"$build/penstock-sink" --plain --listen "127.0.0.1:$sink_port" --latency-ms 3-30 --threads 1 \
    >"$work/sink.log" 2>&1 &
remember
wait_for penstock-sink "$work/sink.log" answers "http://127.0.0.1:$sink_port/"
nginx -e "$work/error.log" -c "$work/nginx.conf" >"$work/nginx.log" 2>&1 &
remember
wait_for nginx "$work/error.log" answers "http://127.0.0.1:$port/"
python3 bench/against_wrk.py $judge --seconds "${SECONDS_PER_RUN:-2}" --rounds "${ROUNDS:-7}" \
    "$build/penstock-bench" "http://127.0.0.1:$port" "$work"
