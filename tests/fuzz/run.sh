#!/usr/bin/env bash
# Runs every fuzzer of a build for some seconds, from its seeds, JOBS of them at a time; fails when one finds something.
#
#   run.sh BUILD_DIR SECONDS [JOBS]
set -euo pipefail
build=$(realpath "$1") seconds=$2 jobs=${3:-1}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fuzz() {
    local name=$1 out=$work/$1
    local seeds=()
    mkdir -p "$out/corpus"
    [[ -d $here/corpus/$name ]] && seeds=("$here/corpus/$name")
    if "$build/tests/fuzz/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$out/" "$out/corpus" "${seeds[@]}" >"$out/log" 2>&1; then
        echo "fuzz: $name passed, $(sed -n 's/^stat::number_of_executed_units: *//p' "$out/log") inputs in $seconds s"
        return
    fi
    echo "fuzz: $name FAILED"
    tail -40 "$out/log"
    for found in "$out"/crash-* "$out"/timeout-* "$out"/oom-*; do
        [[ -f $found ]] && { echo "input (base64):"; base64 "$found"; }
    done
    return 1
}

names=()
for source in "$here"/*_fuzz.cc; do names+=("$(basename "$source" .cc)"); done
failed=0 running=0
for name in "${names[@]}"; do
    if ((running == jobs)); then
        wait -n || failed=$((failed + 1))
        running=$((running - 1))
    fi
    fuzz "$name" &
    running=$((running + 1))
done
while ((running > 0)); do
    wait -n || failed=$((failed + 1))
    running=$((running - 1))
done
echo "fuzz: $((${#names[@]} - failed)) passed, $failed failed"
((failed == 0))
