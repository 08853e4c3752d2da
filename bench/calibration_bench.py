#!/usr/bin/env python3
"""Times calibrated compression beside llm-compressor's on the same tokens, and beside its floor, in one run.

    calibration_bench.py TERSOR MODEL WORK_DIR [--text FILE] [--samples 64] [--tokens 512] [--runs 1] [--peer PYTHON]

The floor: the operations of one forward and of the triangular Hessians, as `tersor plan` counts them, at the rate of one
large matrix product (build/bench/model_speed, in the same run). --peer: a Python with llm-compressor; it computes in
float32, its best on a CPU without BF16 instructions (--peer-dtype for others), and its seconds leave out Python's imports.
"""
import argparse
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

from measured import measured

REPO = pathlib.Path(__file__).resolve().parents[1]
CASES = {  # name: flags of tersor, arguments of tests/interop/calibrated_peer.py
    "GPTQ W4A16, groups of 64": (["--scheme", "W4A16", "--group-size", "64", "--method", "gptq"], ["gptq", "W4A16-64"]),
    "FP8 static": (["--scheme", "FP8"], ["rtn", "FP8"]),
}


def run(command):
    done = measured(command)
    if done.code != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.output[-2000:]}")
    return done


def gemm_rate(args):
    """Operations per second of one large product, in the precision that calibration takes."""
    done = subprocess.run([args.tersor.parent / "bench" / "model_speed", args.model, "64", "0", "1"], check=True,
                          capture_output=True, text=True)
    return float(re.search(r"gemm +([\d.]+) GFLOP/s", done.stdout)[1]) * 1e9


def floor_operations(flags, args):
    plan = subprocess.run([args.tersor, "plan", args.model, *flags, "--json"], check=True, capture_output=True, text=True)
    calibration = json.loads(plan.stdout)["calibration"]
    return calibration["forward_operations"] + calibration["statistics_operations"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tersor", type=pathlib.Path)
    parser.add_argument("model")
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--text", type=pathlib.Path, default=REPO / "data/calibration/builtin.txt")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--peer")
    parser.add_argument("--peer-dtype", default="float32")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    out = args.work / "out"
    print(f"{args.samples} samples of {args.tokens} tokens, {args.runs} runs\n")
    print("| | TFLOP at least | GFLOP/s of a product | floor, s | tersor, s | of the floor | peak RSS | "
          "llm-compressor, s | peak RSS | tersor is faster |\n|---|---|---|---|---|---|---|---|---|---|")
    for name, (scheme, peer) in CASES.items():
        flags = [*scheme, "--ignore", "lm_head", "--dataset", args.text, "--packing", "--samples", str(args.samples),
                 "--max-seq-length", str(args.tokens)]
        operations = floor_operations(flags, args)
        seconds, memory, floors = [], [], []
        for _ in range(args.runs):
            floors.append(operations / gemm_rate(args))
            shutil.rmtree(out, ignore_errors=True)
            done = run([args.tersor, "compress", args.model, "-o", out, "--quiet", *flags])
            seconds.append(done.seconds)
            memory.append(done.peak_rss)
        ours, floor = statistics.median(seconds), statistics.median(floors)
        ratio = statistics.median(s / f for s, f in zip(seconds, floors))
        print(f"| {name} | {operations / 1e12:.2f} | {operations / floor / 1e9:.0f} | {floor:.1f} | {ours:.1f} | {ratio:.2f} "
              f"| {max(memory) / 1e9:.2f} GB |", end="", flush=True)
        if args.peer:
            shutil.rmtree(out, ignore_errors=True)
            done = run([args.peer, REPO / "tests/interop/calibrated_peer.py", args.model, out, *peer, "default", args.text,
                        args.samples, args.tokens, args.peer_dtype])
            theirs = json.loads(done.output.splitlines()[-1])
            print(f" {theirs['seconds']:.0f} | {theirs['peak_rss'] / 1e9:.2f} GB | {theirs['seconds'] / ours:.1f} x |", flush=True)
        else:
            print(" | | |", flush=True)
    shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main()
