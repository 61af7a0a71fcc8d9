#!/bin/sh
# Every source file is as clang-format 14 leaves it. usage: format.sh ROOT
set -eu
cd "$1"
clang-format-14 --dry-run -Werror $(find src bench tests -name '*.[ch]')
