#!/bin/sh
# What a function costs: CPU per invocation of a native handler that does nothing, beside servers
# that only answer 201; what Penstock adds to an invocation of a process, beside the same process
# given its events by a Runtime API server with nothing around it (penstock-function-direct), both
# at the same steady rate, so that the process waits for work when it comes; and Penstock's memory
# for a slot whose process waits (the process's own apart). One worker.
#   sh bench/functions.sh [BUILD]        default: build; a Release build
# Environment: ROUNDS (3), SECONDS_PER_RUN (5), RATE (100) invocations a second, SLOTS (50).
set -eu
cd "$(dirname "$0")/.."
. bench/common.sh
build=${1:-build}
rounds=${ROUNDS:-3}
seconds=${SECONDS_PER_RUN:-5}
rate=${RATE:-100}
slots=${SLOTS:-50}
port=18088 admin=19108 floor_port=18090
need_commands wrk nginx node python3
need_built penstock penstock-bench penstock-floor penstock-function-direct penstock-empty.so
work_begin
hz=$(getconf CLK_TCK)
runtimes=$PWD/src/lambda/runtimes
level=warn # from the second part on info, the default: each invocation has its three log lines

cat >"$work/app.mjs" <<'END'
export const handler = async () => ({ statusCode: 201, body: "{}" });
END
cat >"$work/app.py" <<'END'
def handler(event, context):
    return {"statusCode": 201, "body": "{}"}
END
cat >"$work/nginx.conf" <<END
worker_processes 1; master_process off; daemon off; pid $work/nginx.pid; error_log /dev/null;
events { worker_connections 4000; }
http { access_log off; keepalive_requests 100000000;
  server { listen 127.0.0.1:$((floor_port + 1)); location / { return 201; } } }
END

# configure_function PATH LINE: one function with a route. No DynamoDB is asked.
configure_function() {
    cat >"$work/penstock.yaml" <<END
listen: [{address: 127.0.0.1:$port}]
admin: 127.0.0.1:$admin
workers: 1
log: {access: false, level: $level}
functions: [{name: ${2%%,*}, ${2#*, }}]
routes: [{route: POST $1, function: ${2%%,*}}]
END
}
start_without_dynamodb() {
    env AWS_ACCESS_KEY_ID=k AWS_SECRET_ACCESS_KEY=s AWS_REGION=eu-west-1 \
        "$build/penstock" run -c "$work/penstock.yaml" 2>"$work/penstock.log" &
    remember
    penstock=$started
    wait_for penstock "$work/penstock.log" answers "http://127.0.0.1:$port/"
}
runtime_command() { # RUNTIME
    case $1 in
    node) echo "node $runtimes/runtime.mjs app.handler" ;;
    python) echo "/usr/bin/python3 $runtimes/runtime.py app.handler" ;;
    esac
}
runtime_line() { # RUNTIME CONCURRENCY WARM
    printf "%s, command: ['%s'], directory: %s, concurrency: %d, warm: %d" "$1" \
        "$(runtime_command "$1" | sed "s/ /', '/g")" "$work" "$2" "$3"
}

all_waiting() { # WANTED: that many processes asked for work
    [ "$(grep -c function_ready "$work/penstock.log")" -ge "$1" ]
}

# ---- CPU of a native handler ----

load() { # PORT CONNECTIONS SECONDS
    wrk -t1 -c"$2" -d"$3s" -s bench/post.lua "http://127.0.0.1:$1" | sed -n 's/^RESULT //p'
}
cpu_per_answer() { # NAME PID PORT CONNECTIONS
    load "$3" "$4" 1 >/dev/null
    before=$(cpu_ticks "$2")
    eval "$(load "$3" "$4" "$seconds")"
    after=$(cpu_ticks "$2")
    awk -v name="$1" -v c="$4" -v t=$((after - before)) -v hz="$hz" -v n="$stored" \
        'BEGIN { printf "%s %d %.3f\n", name, c, t / hz * 1e6 / n }' | tee -a "$work/cpu" >/dev/null
}
measure_native() {
    "$build/penstock-floor" $floor_port &
    remember
    floor=$started
    nginx -c "$work/nginx.conf" 2>/dev/null &
    remember
    nginx=$started
    configure_function /music "empty, library: $(cd "$build" && pwd)/penstock-empty.so"
    start_without_dynamodb
    wait_for penstock-floor "" answers "http://127.0.0.1:$floor_port/"
    wait_for nginx "" answers "http://127.0.0.1:$((floor_port + 1))/"
    round=0
    while [ $round -lt "$rounds" ]; do
        round=$((round + 1))
        for c in 64 512; do
            cpu_per_answer libuv "$floor" $floor_port $c
            cpu_per_answer nginx "$nginx" $((floor_port + 1)) $c
            cpu_per_answer native "$penstock" $port $c
        done
    done
    stop
}

# The median of the numbers read.
median() {
    sort -n | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'
}
median_and_least() {
    sort -n | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)], x[1] }'
}
report_native() {
    echo "CPU us per answer, medians of $rounds rounds (the least in brackets):"
    echo '| connections | libuv, 201 only | nginx, 201 only | native handler | of libuv | of nginx |'
    echo '|---|---|---|---|---|---|'
    for c in 64 512; do
        for name in libuv nginx native; do
            awk -v n=$name -v c=$c '$1 == n && $2 == c { print $3 }' "$work/cpu" | median_and_least
        done | xargs | awk -v c=$c '{
            printf "| %d | %.2f (%.2f) | %.2f (%.2f) | %.2f (%.2f) | %.2f (%.2f) | %.2f (%.2f) |\n",
                c, $1, $2, $3, $4, $5, $6, $5 / $1, $6 / $2, $5 / $3, $6 / $4 }'
    done
}

# ---- what Penstock adds to an invocation ----

through_penstock() {
    "$build/penstock-bench" --connections 1 --threads 1 --rate "$rate" --warmup 1s \
        --duration "${seconds}s" -X POST --body '{}' --json "$work/bench.json" \
        "http://127.0.0.1:$port/f" >"$work/bench.log"
    python3 -c 'import json, sys
l = json.load(open(sys.argv[1]))["latency_us"]
print("%.0f %.0f" % (l["p50"], l["p99"]))' "$work/bench.json"
}
direct() { # RUNTIME
    # shellcheck disable=SC2046  # a list of words
    (cd "$work" && env AWS_LAMBDA_FUNCTION_NAME=f AWS_LAMBDA_FUNCTION_VERSION=1 \
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128 AWS_LAMBDA_LOG_GROUP_NAME=f \
        AWS_LAMBDA_LOG_STREAM_NAME=f "$direct" "$rate" $((rate * seconds)) event.json \
        $(runtime_command "$1")) 2>"$work/direct.log" || fail "$(cat "$work/direct.log")"
}
measure_overhead() {
    direct=$(cd "$build" && pwd)/penstock-function-direct
    "$build/penstock" event http-v2 --method POST --path /f --body '{}' >"$work/event.json"
    echo
    echo "Latency of an invocation in us at $rate a second, medians of $rounds rounds:"
    echo '| runtime | the process alone p50 / p99 | through Penstock p50 / p99 | added p50 / p99 |'
    echo '|---|---|---|---|'
    for runtime in node python; do
        round=0
        while [ $round -lt "$rounds" ]; do
            round=$((round + 1))
            direct $runtime >>"$work/$runtime.direct"
            configure_function /f "$(runtime_line $runtime 1 1)"
            start_without_dynamodb
            wait_for function "$work/penstock.log" all_waiting 1
            through_penstock >>"$work/$runtime.penstock"
            stop
        done
        for kind in direct penstock; do
            cut -d' ' -f1 "$work/$runtime.$kind" | median
            cut -d' ' -f2 "$work/$runtime.$kind" | median
        done | xargs | awk -v r=$runtime '{
            printf "| %s | %d / %d | %d / %d | %d / %d |\n", r, $1, $2, $3, $4, $3 - $1, $4 - $2 }'
    done
}

# ---- memory of a slot ----

resident_bytes() { awk '/^VmRSS/ { print $2 * 1024 }' "/proc/$1/status"; }
resident_with() { # SLOTS WARM
    configure_function /f "$(runtime_line python "$1" "$2")"
    start_without_dynamodb
    wait_for "function" "$work/penstock.log" all_waiting "$2"
    sleep 1
    resident=$(resident_bytes "$penstock")
    stop
}
measure_slots() {
    resident_with 1 1
    one=$resident
    resident_with "$slots" 1
    empty=$resident
    resident_with "$slots" "$slots"
    echo
    echo "Penstock's memory per function slot, of $slots: with its process waiting" \
        "$(((resident - one) / (slots - 1))) bytes, never started" \
        "$(((empty - one) / (slots - 1))) bytes"
}

measure_native
report_native
level=info
measure_overhead
measure_slots
