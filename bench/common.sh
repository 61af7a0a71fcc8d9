# What the scripts of bench/ share: sourced from the project's folder. They set `build` before they
# call any of it; `work` is a folder of the run, `pids` what it started. POSIX sh.

fail() {
    echo "error: $*" >&2
    exit 1
}

need_commands() {
    for command in "$@"; do
        command -v "$command" >/dev/null || fail "no $command (see deps/packages.txt)"
    done
}

need_built() {
    for program in "$@"; do
        [ -x "$build/$program" ] || fail "no $build/$program; build first"
    done
}

# ---- processes: each is stopped by its number, whatever way the script ends ----

pids=

# The work folder, and the clearing up.
work_begin() {
    work=$(mktemp -d)
    trap 'stop; rm -rf "$work"' EXIT
    trap 'exit 1' INT TERM
}

# After `program &`: remembers it, and names it $started.
remember() {
    started=$!
    pids="$pids $started"
}

stop() {
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in $pids; do
        wait "$pid" 2>/dev/null || true
    done
    pids=
}

# Until the command succeeds, 20 s at most: wait_for WHAT LOG COMMAND...
wait_for() {
    what=$1 log=$2
    shift 2
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ $tries -ge 400 ]; then
            [ ! -f "$log" ] || tail -n 20 "$log" >&2
            fail "$what is not ready"
        fi
        sleep 0.05
    done
}

# Something speaks HTTP there, whatever it says.
answers() { # URL
    curl -sk -o /dev/null --max-time 2 "$1"
}

cpu_ticks() { # PID
    awk '{print $14 + $15}' "/proc/$1/stat"
}

# ---- Penstock between a client and penstock-sink: ports below the ephemeral ones ----

port=${PORT:-18080}
admin=${ADMIN_PORT:-19100}
sink_port=${SINK_PORT:-18443}

# start_sink [OPTION]...: over TLS, its certificate in $work/sink.pem, its summary at exit in
# $work/sink.json.
start_sink() {
    "$build/penstock-sink" --listen "127.0.0.1:$sink_port" --cert-out "$work/sink.pem" \
        --json "$work/sink.json" "$@" >"$work/sink.log" 2>&1 &
    remember
    wait_for penstock-sink "$work/sink.log" answers "https://127.0.0.1:$sink_port/"
}

# configure TABLE KEYS ROUTE [UNDER_DYNAMODB] [FURTHER_LINE]: writes $work/penstock.yaml.
configure() {
    cat >"$work/penstock.yaml" <<END
listen: [{address: 127.0.0.1:$port}]
admin: 127.0.0.1:$admin
workers: 1
log: {access: false, level: warn}
dynamodb: {endpoint: '${endpoint:-https://localhost:$sink_port}', region: eu-west-1, ca_file: $work/sink.pem${4:+, $4}}
tables: [{name: $1, $2}]
routes: [{route: POST $3, put_item: {table: $1}}]
${5:-}
END
}
configure_music() { # [UNDER_DYNAMODB] [FURTHER_LINE]
    configure Music "partition_key: {name: Artist}, sort_key: {name: SongTitle}" /music "$@"
}

# start_penstock [VARIABLE=VALUE]...: its number in $penstock, its log in $work/penstock.log.
start_penstock() {
    env AWS_ACCESS_KEY_ID=k AWS_SECRET_ACCESS_KEY=s "$@" \
        "$build/penstock" run -c "$work/penstock.yaml" 2>"$work/penstock.log" &
    remember
    penstock=$started
    wait_for penstock "$work/penstock.log" curl -sf "http://127.0.0.1:$admin/readyz"
}
