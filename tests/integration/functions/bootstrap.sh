#!/bin/sh
# A runtime as in AWS's tutorial on custom runtimes: a loop around curl. Its argument is the
# handler, as in app.py.
set -eu
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
headers=$(mktemp)
trap 'rm -f "$headers"; exit 0' TERM EXIT
member() { printf '%s' "$event" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
answer() { curl -sS "$api/invocation/$id/response" -d "$1" >&2; }
while :; do
    event=$(curl -sS -D "$headers" "$api/invocation/next")
    id=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
    body=$(member body)
    case ${1##*.} in
    echo) answer "{\"statusCode\":201,\"headers\":{\"X-Version\":\"$(member version)\"},\"body\":\"$GREETING $body $$\"}" ;;
    die) exit 7 ;;
    killed) kill -KILL $$ ;;
    hang) sleep 600 ;;
    raw) answer "$event" ;;
    region) answer "\"$AWS_REGION\"" ;;
    nonsense) answer 'neither JSON nor empty' ;;
    wrong_id) id=00000000-0000-0000-0000-000000000000 answer '{}' && exit 1 ;;
    twice) answer '{"times":1}' && answer '{"times":2}' ;;
    esac
done
