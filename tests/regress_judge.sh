#!/bin/sh
# bench/regress.sh says what it should of numbers that are right, too small, too big and missing.
# usage: regress_judge.sh BUILD
set -eu
cd "$(dirname "$0")/.."
build=$1
NUMBERS=$(mktemp)
export NUMBERS
trap 'rm -f "$NUMBERS" "$NUMBERS.out"' EXIT

judge() { # EXPECTED_CODE EXPECTED_TEXT
    code=0
    sh bench/regress.sh "$build" >"$NUMBERS.out" || code=$?
    if [ $code != "$1" ] || ! grep -q "$2" "$NUMBERS.out"; then
        cat "$NUMBERS.out"
        echo "exit code $code; expected $1 and '$2'" >&2
        exit 1
    fi
}
scale() { # FACTOR
    awk -v factor="$1" '{ $3 = int($3 * factor); print }' "$NUMBERS" >"$NUMBERS.out"
    cp "$NUMBERS.out" "$NUMBERS"
}

sh bench/regress.sh --accept "$build"
judge 0 'serve .*[-+]0\.[0-4] %  ok' # and repeats itself
scale 0.94
judge 1 'parse .*GREW'
scale 1.2
judge 0 'parse .*shrank'
sed '/ parse /d' "$NUMBERS" >"$NUMBERS.out"
cp "$NUMBERS.out" "$NUMBERS"
judge 1 'parse .*no number kept'
