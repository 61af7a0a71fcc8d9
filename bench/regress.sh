#!/bin/sh
# Instructions per request of the hot paths (parse, encode, sign, coalesce, respond, serve, and a
# whole request), counted by callgrind, against the numbers kept in bench/regress.txt. Immune to
# whatever else the machine is doing; a repeat gives the same within 0.5 %.
#   sh bench/regress.sh [--accept] [BUILD]      default: build; needs a Release build and valgrind
# --accept writes the new numbers into the file: commit it, and say in the message what was bought.
# Exit codes: 0 good; 1 a path grew by more than 5 %, or there is no number for the toolchain the
# numbers are kept for; 77 no number for this toolchain, which is another one. NUMBERS names
# another file.
set -eu
cd "$(dirname "$0")/.."
. bench/common.sh
accept=no
if [ "${1:-}" = --accept ]; then
    accept=yes
    shift
fi
build=${1:-build}
numbers=${NUMBERS:-bench/regress.txt}
requests=1000
need_commands valgrind
need_built penstock-regress
grep -q '^CMAKE_BUILD_TYPE:[A-Z]*=Release' "$build/CMakeCache.txt" ||
    fail "$build is no Release build: cmake --preset release"
work_begin

# Which memcpy the C library picks must not hang on the processor: the plain ones (valgrind hides
# the SHA instructions by itself, so the hash is mbedTLS's). Nothing else of the environment, for
# its size moves the stack.
env -i PATH="$PATH" \
    GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX,-BMI2,-ERMS,-SSE4_2,-SSSE3,-MOVBE,-LZCNT,-FMA \
    valgrind --tool=callgrind --dump-before=measured --dump-after=measured --compress-strings=no \
    --compress-pos=no --callgrind-out-file="$work/dump" \
    "$build/penstock-regress" $requests >"$work/paths" 2>"$work/valgrind.log" ||
    { cat "$work/valgrind.log" >&2; exit 1; }
toolchain=$(sed -n 's/^toolchain //p' "$work/paths")

# Own cost of every function, by library: the hash apart from all else. A line after "calls=" is
# the cost of the callee, which is counted where it was spent.
dump=0
sed 1d "$work/paths" | while read -r path n; do
    dump=$((dump + 2))
    awk -v path="$path" -v n="$n" '
        /^ob=/ { hash = /libmbedcrypto/ }
        /^calls=/ { getline; next }
        /^[0-9]/ { if (hash) { hashing += $2 } else { rest += $2 } }
        END {
            printf "%s %.0f\n", path, rest / n
            if (hashing) { printf "%s.hash %.0f\n", path, hashing / n }
        }' "$work/dump.$dump"
done >"$work/counts"

if [ $accept = yes ]; then
    {
        grep -v "^$toolchain " "$numbers" || true
        sed "s|^|$toolchain |" "$work/counts"
    } >"$work/numbers"
    cp "$work/numbers" "$numbers"
    echo "accepted into $numbers for $toolchain:"
    cat "$work/counts"
    exit 0
fi
if ! grep -q "^$toolchain " "$numbers"; then
    cat "$work/counts"
    echo "no number for this toolchain ($toolchain) in $numbers: sh bench/regress.sh --accept"
    # The machine the numbers are kept for must not lose them by an update of its packages.
    [ "$(. /etc/os-release && echo "$ID-$VERSION_ID") $(uname -m)" != "debian-12 x86_64" ] || exit 1
    exit 77
fi
awk -v toolchain="$toolchain" '
    NR == FNR { if ($1 == toolchain) { kept[$2] = $3 }; next }
    !($1 in kept) {
        printf "%-16s %9d instructions, no number kept: sh bench/regress.sh --accept\n", $1, $2
        bad = 1
        next
    }
    {
        change = 100 * ($2 / kept[$1] - 1)
        word = "ok"
        if (change > 5) { word = "GREW: make it cheaper, or sh bench/regress.sh --accept"; bad = 1 }
        if (change < -5) { word = "shrank: keep it so, sh bench/regress.sh --accept" }
        printf "%-16s %9d instructions, kept %9d, %+5.1f %%  %s\n", $1, $2, kept[$1], change, word
        delete kept[$1]
    }
    END {
        for (path in kept) { printf "%-16s is kept but no longer counted\n", path; bad = 1 }
        exit bad
    }' "$numbers" "$work/counts"
