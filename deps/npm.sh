#!/bin/sh
# Fetches AWS's own Node packages from the npm registry into a folder, for the tests: the Lambda
# runtime interface client, which is compiled (about two minutes), and the SDK's Lambda client.
#   sh deps/npm.sh FOLDER
set -eu
if [ $# != 1 ]; then
    sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
ric=aws-lambda-ric@3.3.0
sdk=@aws-sdk/client-lambda@3.953.0
mkdir -p "$1"
folder=$(cd "$1" && pwd)
wanted="$ric $sdk $(node --version)"
if [ "$(cat "$folder/done" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

rm -rf "$folder/done" "$folder/node_modules" "$folder"/package*.json
log="$folder/log"
fail() {
    tail -n 20 "$log" >&2
    echo "error: $1 (whole output: $log)" >&2
    exit 1
}
# Some versions of npm run a package's own build only when asked to, so it is run here.
npm install --ignore-scripts --no-audit --no-fund --prefix "$folder" "$ric" "$sdk" \
    >"$log" 2>&1 ||
    fail "npm could not fetch $ric and $sdk; check the network and 'npm config get registry'"
# Without the headers of the installed Node, node-gyp would look for them on the internet.
prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
if [ -f "$prefix/include/node/node.h" ]; then
    export npm_config_nodedir="$prefix"
fi
cd "$folder/node_modules/aws-lambda-ric"
MAKEFLAGS=-j$(nproc)
export MAKEFLAGS
{ sh scripts/preinstall.sh && sh scripts/postinstall.sh; } >>"$log" 2>&1 ||
    fail "$ric does not build"
rm -rf deps build
echo "$wanted" >"$folder/done"
