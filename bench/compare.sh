#!/bin/sh
# Penstock beside what one would write instead of it: installs, builds and measures all of them in
# one interleaved run. Each is one process that stores what is POSTed to /music at penstock-sink,
# over TLS, and answers 201 after the acknowledgement; 250-byte bodies, closed loop.
#   sh bench/compare.sh [BUILD]       default: build
# Prints a Markdown table of the medians; writes the same as a page, and all rounds, into
# BUILD/compare/. Exit codes: 0 good; 1 requests failed somewhere; 2 wrong usage.
# Environment:
#   ROUNDS (3)  SECONDS_PER_RUN (5, after as long a warm-up: Node compiles)  CONNECTIONS ("64 512")
#   ONLY     some of: penstock penstock-single floor go-batched nginx-lua go node-batched node
#   SOCKETS  upstream connections of each but nginx, which bounds them not (64, Penstock's default)
#   OUT      another folder for the results and for what is installed
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
rounds=${ROUNDS:-3}
seconds=${SECONDS_PER_RUN:-5}
connections=${CONNECTIONS:-64 512}
sockets=${SOCKETS:-64}
starts=5 # of each a round, for the time to the first write
all="penstock penstock-single floor go-batched nginx-lua go node-batched node"
only=${ONLY:-$all}
. bench/common.sh

wrong_usage() {
    echo "error: $*" >&2
    exit 2
}
for number in $rounds $seconds $connections $sockets; do
    case $number in
    '' | *[!0-9]* | 0) wrong_usage "'$number' is no number above 0 (see the head of this script)" ;;
    esac
done
for name in $only; do
    case " $all " in
    *" $name "*) ;;
    *) wrong_usage "ONLY: no '$name'; there are: $all" ;;
    esac
done
need_commands curl python3
need_built penstock penstock-sink penstock-bench penstock-floor
mkdir -p "${OUT:-$build/compare}"
out=$(cd "${OUT:-$build/compare}" && pwd)
build=$(cd "$build" && pwd)
work_begin
ulimit -n "$(ulimit -Hn)"
export AWS_ACCESS_KEY_ID=k AWS_SECRET_ACCESS_KEY=s

# ---- installing: each prepares its program, or says why it cannot be here ----

skip() { # NAME REASON
    echo "skipped: $1: $2" >&2
    skipped="${skipped:-} $1"
    return 1
}
prepare_go() {
    [ -z "$(find "$out/go/server" -newer bench/alternatives/go/server.go 2>/dev/null)" ] || return 0
    command -v go >/dev/null || { skip "$1" "no go"; return; }
    [ -d /usr/share/gocode/src/github.com/aws/aws-sdk-go-v2 ] ||
        { skip "$1" "no aws-sdk-go-v2 in /usr/share/gocode"; return; }
    mkdir -p "$out/go"
    GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS='' GOCACHE="$out/go/cache" \
        go build -o "$out/go/server" bench/alternatives/go/server.go >"$out/go/log" 2>&1 ||
        { skip "$1" "go build failed (whole output: $out/go/log)"; return; }
}
prepare_node() {
    command -v npm >/dev/null || { skip "$1" "no npm"; return; }
    [ "$(node --version | sed 's/^v//; s/[.].*//')" -ge 20 ] ||
        { skip "$1" "Fastify 5 wants Node 20, this is $(node --version)"; return; }
    mkdir -p "$out/node"
    cp bench/alternatives/node/server.mjs "$out/node/"
    cmp -s bench/alternatives/node/package.json "$out/node/done" && return
    cp bench/alternatives/node/package.json "$out/node/"
    npm install --no-audit --no-fund --prefix "$out/node" >"$out/node/log" 2>&1 ||
        { skip "$1" "npm could not fetch its packages (whole output: $out/node/log)"; return; }
    cp bench/alternatives/node/package.json "$out/node/done"
}
prepare_nginx() {
    command -v nginx >/dev/null || { skip "$1" "no nginx"; return; }
    modules=/usr/lib/nginx/modules
    [ -f $modules/ngx_http_lua_module.so ] || { skip "$1" "no Lua module of nginx"; return; }
    [ -n "$(find /usr/lib -path '*/lua/5.1/cjson.so')" ] || { skip "$1" "no lua-cjson"; return; }
}
prepare() { # NAME
    case $1 in
    go*) prepare_go "$1" ;;
    node*) prepare_node "$1" ;;
    nginx*) prepare_nginx "$1" ;;
    esac
}

case " $only " in
*" go"* | *" node"* | *" nginx"*)
    # Without the network or without root, what is there is measured.
    sh deps/install.sh compare >&2 || echo "going on with what is installed" >&2
    ;;
esac
names=
for name in $only; do
    prepare "$name" && names="$names $name"
done
[ -n "$names" ] || fail "nothing is left to measure"

# ---- starting: one script for each, whose process becomes the service ----

launcher() { # [VARIABLE=VALUE]... COMMAND...: writes $work/start.sh
    {
        echo "export PORT=$port ENDPOINT=https://localhost:$sink_port CA_FILE='$work/sink.pem'"
        echo "export SOCKETS=$sockets NODE_ENV=production GOMAXPROCS=1"
        printf 'exec env'
        printf " '%s'" "$@"
        echo " 2>>'$work/service.log'"
    } >"$work/start.sh"
}
service() { # NAME
    : >"$work/service.log"
    case $1 in
    floor) launcher "$build/penstock-floor" "$port" ;;
    penstock*)
        items=25
        [ "$1" = penstock ] || items=1
        configure_music "max_connections: $sockets, batch: {max_items: $items}"
        launcher "$build/penstock" run -c "$work/penstock.yaml"
        ;;
    go) launcher "$out/go/server" ;;
    go-batched) launcher BATCH=1 "$out/go/server" ;;
    node) launcher node "$out/node/server.mjs" ;;
    node-batched) launcher BATCH=1 node "$out/node/server.mjs" ;;
    nginx-lua)
        sed -e "s|@MODULES@|$modules|; s|@WORK@|$work|; s|@SOURCE@|$PWD/bench/alternatives/nginx|" \
            -e "s|@PORT@|$port|; s|@SINK_PORT@|$sink_port|g; s|@CA_FILE@|$work/sink.pem|" \
            bench/alternatives/nginx/nginx.conf >"$work/nginx.conf"
        launcher nginx -c "$work/nginx.conf"
        ;;
    esac
}

# ---- measuring ----

body='{"Artist":"{{uuid}}","SongTitle":"Call Me Today","AlbumTitle":"'$(printf '%0128d' 0 | tr 0 x)
body=$body'","Year":2015,"Live":true}'
failures=0
measure() { # NAME CONNECTIONS ROUND
    service "$1"
    rm -f "$work/sink.json" "$work/run.json"
    [ "$1" = floor ] || start_sink --table Music:Artist:SongTitle
    python3 bench/footprint.py first-write "$port" $starts sh "$work/start.sh" >"$work/first" 2>&1 ||
        {
            echo "error: $1 stores nothing" >&2
            tail -n 12 "$work/first" "$work/service.log" >&2
            failures=1
            stop
            return
        }
    sh "$work/start.sh" &
    remember
    pid=$started
    wait_for "$1" "$work/service.log" stores_one
    "$build/penstock-bench" -t 1 -c "$2" -w "$seconds" -d "$seconds" --pid "$pid" \
        --json "$work/run.json" -b "$body" "http://127.0.0.1:$port/music" >"$work/bench.log" 2>&1 ||
        {
            echo "error: $1: requests failed" >&2
            tail -n 12 "$work/bench.log" "$work/service.log" >&2
            failures=1
        }
    stop
    python3 bench/compare.py row "$1" "$2" "$3" "$work" >>"$work/rows" || failures=1
}
stores_one() {
    [ "$(curl -s -o /dev/null -w '%{http_code}' --max-time 2 -d '{"Artist":"a","SongTitle":"b"}' \
        -H 'Content-Type: application/json' "http://127.0.0.1:$port/music")" = 201 ]
}

round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    for count in $connections; do
        for name in $names; do
            echo "round $round of $rounds: $name, $count connections" >&2
            measure "$name" "$count" $round
        done
    done
done
[ -s "$work/rows" ] || fail "nothing was measured"
cp "$work/rows" "$out/compare.ndjson"
python3 bench/compare.py report "$out/compare.ndjson" "$out/compare.html" "$rounds" "$seconds" \
    "${skipped:-}"
echo "the page: $out/compare.html" >&2
exit $failures
