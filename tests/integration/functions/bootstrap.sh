#!/bin/sh
# A runtime as in AWS's tutorial on custom runtimes: a loop around curl.
set -eu
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
headers=$(mktemp)
trap 'rm -f "$headers"; exit 0' TERM EXIT
while :; do
    event=$(curl -sS -D "$headers" "$api/invocation/next")
    id=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
    case $event in
    *'"body":"wrong-id"'*) curl -sS "$api/invocation/00000000-0000-0000-0000-000000000000/response" -d '{}' >&2 && exit 1 ;;
    *'"body":"twice"'*) curl -sS "$api/invocation/$id/response" -d '{"times":2}' >&2 ;;
    *'"body":"bytes"'*) curl -sS "$api/invocation/$id/response" -d 'neither JSON nor empty' >&2 && continue ;;
    esac
    curl -sS "$api/invocation/$id/response" -d "{\"shell\":$event}" >&2
done
