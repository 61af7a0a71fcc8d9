#!/bin/sh
# Who may include what: the table of folders of the design, one row each. Fails naming each line
# that breaks it. usage: includes.sh ROOT
set -eu
cd "$1/src"
bad=0
complain() {
    echo "$1" >&2
    bad=1
}

# folder: the folders it may include (itself always)
rules='
base:
loop: base
http: base
tls: base
model: base
net: base loop tls
server: base loop http net
client: base loop http net
aws: base loop http client
dynamodb: base loop model client aws
lambda: base loop http model server dynamodb penstock
handlers: base model penstock
gateway: base http server lambda
app: base loop http tls model net server client aws dynamodb lambda handlers gateway penstock
penstock:
'
for folder in */; do
    folder=${folder%/}
    row=$(echo "$rules" | grep "^$folder:" || true)
    if [ -z "$row" ]; then
        complain "src/$folder: no row in the table of folders"
        continue
    fi
    allowed=" $folder ${row#*:} "
    for file in "$folder"/*.[ch]; do
        [ -f "$file" ] || continue
        for included in $(sed -n 's/^ *# *include "\([^"]*\)".*/\1/p' "$file"); do
            case $allowed in
            *" ${included%%/*} "*) ;;
            *) complain "src/$file includes $included: src/$folder may include:$allowed" ;;
            esac
            [ -f "$included" ] || complain "src/$file includes $included, which is not there"
        done
    done
done

# third-party header: the folders (or files) that may name it
third_party() {
    header=$1
    shift
    for file in $(grep -lE "^ *# *include *<$header" ./*/*.[ch] || true); do
        file=${file#./}
        ok=no
        for place in "$@"; do
            case $file in
            "$place"*) ok=yes ;;
            esac
        done
        [ $ok = yes ] || complain "src/$file includes <$header>: allowed only in: $*"
    done
}
third_party 'uv\.h' loop/ net/ app/ lambda/process lambda/work
third_party 'llhttp\.h' http/
third_party 'mbedtls/' tls/ aws/
third_party 'json\.h' model/ lambda/ app/
third_party 'yaml\.h' app/
third_party 'zlib\.h' aws/
[ $bad = 0 ]
