#!/usr/bin/env bash
# Every benchmark whose figures stand in docs/performance.md, in one run. Needs about 20 GB of disk in BENCH_DIR.
#
#   run.sh            BENCH_DIR (default build/bench-data), BENCH_GB (input size, default 4),
#                     BENCH_PEER (a Python with llm-compressor; default: the oracles' one when present),
#                     BENCH_MODEL (SmolLM2's folder; default: the interop tests' copy), BENCH_TEXT (English; default:
#                     Debian's licences)
set -euo pipefail
cd "$(dirname "$0")/.."
dir=${BENCH_DIR:-build/bench-data}
gb=${BENCH_GB:-4}
peer=${BENCH_PEER:-${TERSOR_ORACLES:-$HOME/.cache/tersor-oracles}/oracle/bin/python}
mkdir -p "$dir"

echo "## machine"
lscpu | grep -E 'Model name|^CPU\(s\)|L2|L3' || true
free -g | sed -n 2p

echo "## kernels"
build/bench/quantize_bench

model=${BENCH_MODEL:-${TERSOR_ORACLES:-$HOME/.cache/tersor-oracles}/interop/smollm2}
text=${BENCH_TEXT:-$dir/english.txt}
[[ -n ${BENCH_TEXT:-} ]] || cat /usr/share/common-licenses/* models/tiny/heldout.txt >"$text"
if [[ -f $model/tokenizer.json ]]; then
    echo "## tokenizer"
    if [[ -x $peer ]]; then
        "$peer" bench/tokenizer_bench.py build/bench/tokenizer_bench "$model" "$text"
    else
        build/bench/tokenizer_bench "$model" "$text"
    fi
fi

echo "## plan"
python3 scripts/make_sparse_checkpoint.py --like kimi-k2-1000-shards --out "$dir/thousand-shards"
for _ in 1 2 3; do
    /usr/bin/env time -f '%e s, %M kB: plan of 1,000 shards' build/tersor plan "$dir/thousand-shards" \
        --scheme W4A16 --ignore lm_head --json >/dev/null
done

echo "## compress, $gb GB"
[[ -f $dir/model-$gb/config.json ]] || build/bench/make_checkpoint "$dir/model-$gb" "$gb"
peers=()
[[ -x $peer ]] && peers=(--peer "$peer")
python3 bench/compress_bench.py build/tersor "$dir/model-$gb" "$dir/work" "${peers[@]}"

echo "## running a model"
if [[ -f $model/config.json ]]; then
    if [[ -x $peer ]]; then
        dtypes=float32
        grep -qE 'avx512_bf16|amx_bf16' /proc/cpuinfo && dtypes=bfloat16,float32
        python3 bench/forward_bench.py build/bench/model_speed "$model" --peer "$peer" --dtypes "$dtypes"
    else
        for dtype in "" --f32; do build/bench/model_speed "$model" $dtype; done
    fi
else
    echo "no model in $model: set BENCH_MODEL"
fi
echo "## solving a linear"
build/bench/solve_speed
echo "## calibration"
if [[ -f $model/config.json ]]; then
    calibration=()
    [[ -x $peer ]] && calibration=(--peer "$peer")
    python3 bench/calibration_bench.py build/tersor "$model" "$dir/work" "${calibration[@]}"
fi
cp models/tiny/tokenizer.json models/tiny/tokenizer_config.json "$dir/model-$gb/"
/usr/bin/env time -f '%M kB, %e s: eval within 1 GiB' build/tersor eval "$dir/model-$gb" --text models/tiny/heldout.txt \
    --max-memory 1GiB --quiet
rm "$dir/model-$gb"/tokenizer*.json

echo "## memory by size of the input"
[[ -f $dir/model-0.3/config.json ]] || build/bench/make_checkpoint "$dir/model-0.3" 0.3
for model in "$dir/model-0.3" "$dir/model-$gb"; do
    rm -rf "$dir/work/out"
    /usr/bin/env time -f "%M kB, %e s: $(du -sh "$model" | cut -f1)" build/tersor compress "$model" -o "$dir/work/out" \
        --scheme FP8_BLOCK --ignore lm_head --quiet
done
rm -rf "$dir/work"
