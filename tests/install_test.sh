#!/usr/bin/env bash
# Installs the build, builds the example against the installed package, and runs it on the embedded model.
#
#   install_test.sh SOURCE_DIR BUILD_DIR
set -euo pipefail
source_dir=$1 build_dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build_dir" --prefix "$work/prefix" >/dev/null
cmake -S "$source_dir/examples/compress_folder" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" \
    -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$work/build" >/dev/null
"$work/build/compress_folder" "$source_dir/models/tiny" "$work/out"
"$work/prefix/bin/tersor" inspect "$work/out" >/dev/null
