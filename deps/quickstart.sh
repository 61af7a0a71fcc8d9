#!/bin/sh
# From a fresh Debian or Ubuntu machine to an HTTP POST stored in a DynamoDB-compatible table.
#   sh deps/quickstart.sh          does the round trip and stays up until Ctrl-C
#   sh deps/quickstart.sh --once   does the round trip and exits
# May be run again and again: what is installed, built and stored stays.
# Ports: 8000 (store), 8080 (HTTP), 9100 (admin); PENSTOCK_STORE_PORT moves the first.
set -eu
cd "$(dirname "$0")/.."
once=no
case ${1:-} in
--once) once=yes ;;
"") ;;
*)
    echo "usage: sh deps/quickstart.sh [--once]" >&2
    exit 2
    ;;
esac

store_port=${PENSTOCK_STORE_PORT:-8000}
store_pid= service_pid=
step() { printf '\n==> %s\n' "$*"; }
fail() {
    echo "error: $1" >&2
    echo "to mend it: $2" >&2
    exit 1
}
stop() {
    trap - EXIT INT TERM
    [ -z "$service_pid" ] || kill "$service_pid" 2>/dev/null || true
    [ -z "$service_pid" ] || wait "$service_pid" 2>/dev/null || true
    [ -z "$store_pid" ] || kill "$store_pid" 2>/dev/null || true
    [ -z "$store_pid" ] || wait "$store_pid" 2>/dev/null || true
}
trap stop EXIT
trap 'stop; echo; echo "stopped."; exit 0' INT TERM

# wait_for WHAT LOG PID COMMAND...: tries for 20 seconds
wait_for() {
    what=$1 log=$2 pid=$3
    shift 3
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        if ! kill -0 "$pid" 2>/dev/null || [ "$tries" -ge 200 ]; then
            tail -n 5 "$log" >&2
            fail "$what does not answer" "read $log; if a port is taken, stop what holds it"
        fi
        sleep 0.1
    done
}

step "Installing what is missing (deps/packages.txt)"
sh deps/install.sh build

step "Building into build/"
mkdir -p build
cmake --preset release -DPENSTOCK_TESTS=OFF >build/configure.log 2>&1 || {
    tail -n 20 build/configure.log >&2
    fail "cmake failed" "read build/configure.log"
}
cmake --build --preset release >build/build.log 2>&1 || {
    tail -n 30 build/build.log >&2
    fail "the build failed" "read build/build.log"
}

kind=$(sh deps/store.sh pick)
step "Fetching a local DynamoDB-compatible store ($kind)"
sh deps/store.sh fetch "$kind" "$PWD/build/stores" || fail "the store could not be fetched" \
    "see the message above"

step "Starting the store on port $store_port (its data: build/store-data)"
if curl -s -o /dev/null "http://127.0.0.1:$store_port/"; then
    fail "something listens on port $store_port already" \
        "stop it, or choose a port: PENSTOCK_STORE_PORT=8001 sh deps/quickstart.sh"
fi
sh deps/store.sh run "$kind" "$PWD/build/stores" "$store_port" "$PWD/build/store-data" \
    >build/store.log 2>&1 &
store_pid=$!
wait_for "the store" build/store.log "$store_pid" curl -s "http://127.0.0.1:$store_port/"

step "Starting Penstock with systemd/penstock.yaml"
# A local store takes any keys; real ones come from the AWS credentials chain.
AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:$store_port AWS_REGION=eu-west-1 \
    AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local \
    build/penstock run -c systemd/penstock.yaml 2>build/penstock.log &
service_pid=$!
wait_for "Penstock" build/penstock.log "$service_pid" curl -sf http://127.0.0.1:9100/readyz

url=http://127.0.0.1:8080
step "Storing an item: POST $url/music"
stored=$(curl -sS -w '\n%{http_code}' -H 'content-type: application/json' \
    -d '{"Artist":"No One You Know","SongTitle":"Call Me Today","AlbumTitle":"Somewhat Famous","Year":2015}' \
    "$url/music")
echo "$stored"
case $stored in
*201) ;;
*) fail "the item was not stored" "read build/penstock.log and build/store.log" ;;
esac

step "Reading it back: GET $url/music/No%20One%20You%20Know/Call%20Me%20Today"
item=$(curl -sS "$url/music/No%20One%20You%20Know/Call%20Me%20Today")
echo "$item"
case $item in
*'"AlbumTitle":"Somewhat Famous"'*) ;;
*) fail "the item read back is not the one stored" "read build/penstock.log" ;;
esac

if [ $once = yes ]; then
    step "Done: stored and read back."
    exit 0
fi
cat <<EOF

==> Up. Paste into another terminal:
curl -i -d '{"Artist":"Acme Band","SongTitle":"Happy Day"}' $url/music
curl -i $url/music/Acme%20Band/Happy%20Day
curl -i '$url/music/Acme%20Band?limit=10'
curl -i -X PATCH -d '{"Rating":5}' $url/music/Acme%20Band/Happy%20Day
curl -i -X DELETE $url/music/Acme%20Band/Happy%20Day
curl -i http://127.0.0.1:9100/readyz

Logs: build/penstock.log, build/store.log. Ctrl-C stops everything.
EOF
wait "$service_pid" || fail "Penstock stopped" "read build/penstock.log"
