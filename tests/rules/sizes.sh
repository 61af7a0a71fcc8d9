#!/bin/sh
# Files and functions stay small: sources at most 600 lines, headers 120 (the public handler header
# is a manual and may be longer), functions 120. Soft marks must not stay. usage: sizes.sh ROOT
set -eu
cd "$1"
bad=0
for file in $(find src bench -name '*.[ch]'); do
    lines=$(wc -l <"$file")
    case $file in
    src/penstock/handler.h) limit=240 ;;
    *.h) limit=120 ;;
    *) limit=600 ;;
    esac
    if [ "$lines" -gt "$limit" ]; then
        echo "$file: $lines lines, at most $limit" >&2
        bad=1
    fi
    awk -v file="$file" '
        /^[A-Za-z_].*[^;]$/ && !/^(typedef|struct|enum|union|static const|const|#)/ { name = $0 }
        /^\{/ || /^[A-Za-z_].*\) \{$/ { start = NR }
        /^\}/ {
            if (start && NR - start > 120) {
                printf "%s:%d: function of %d lines, at most 120: %s\n", file, start, NR - start, name
                long = 1
            }
            start = 0
        }
        END { exit long }' "$file" >&2 || bad=1
done
if grep -rnE 'TODO|FIXME|XXX|HACK|#if 0' src bench deps; then
    bad=1
fi
[ $bad = 0 ]
