#!/usr/bin/env bash
# Runs every fuzzer of a build for some seconds, from its seeds; stops at the first finding.
#
#   run.sh BUILD_DIR SECONDS
set -euo pipefail
build=$1 seconds=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ran=0
for source in "$here"/*_fuzz.cc; do
    name=$(basename "$source" .cc)
    mkdir -p "$work/$name"
    seeds=()
    [[ -d $here/corpus/$name ]] && seeds=("$here/corpus/$name")
    echo "fuzz: $name for $seconds s"
    "$build/tests/fuzz/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$work/" "$work/$name" "${seeds[@]}" >"$work/$name.log" 2>&1 || {
        tail -40 "$work/$name.log"
        for found in "$work"/crash-* "$work"/timeout-* "$work"/oom-*; do
            [[ -f $found ]] && { echo "input (base64):"; base64 "$found"; }
        done
        exit 1
    }
    grep -E 'stat::number_of_executed_units' "$work/$name.log" | sed 's/^/  /'
    ran=$((ran + 1))
done
echo "fuzz: $ran passed, 0 failed"
