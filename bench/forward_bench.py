#!/usr/bin/env python3
"""Prefill and decoding beside Transformers', in turns, as a Markdown table of medians.

    forward_bench.py MODEL_SPEED MODEL --peer PYTHON [--dtypes float32] [--rounds 3] [--tokens 2048] [--sequences 4]

MODEL_SPEED is build/bench/model_speed; bfloat16 is for CPUs with AVX512-BF16 or AMX. Each round runs both programs, one
after the other; a ratio is the median of the rounds' own ratios, for a machine's speed may change from minute to minute.
"""
import argparse
import os
import pathlib
import re
import statistics
import subprocess

HERE = pathlib.Path(__file__).parent
FIGURE = r"([\d.]+)"


def output(command):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout


def figures(text, *patterns):
    return [float(re.search(pattern, text)[1]) for pattern in patterns]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_speed")
    parser.add_argument("model")
    parser.add_argument("--peer", required=True)
    parser.add_argument("--dtypes", default="float32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--sequences", type=int, default=4)
    args = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    print("| dtype | prefill, tokens/s | of the GEMM rate | Transformers | ratio | decode, tokens/s | of the read rate | "
          "Transformers | ratio |\n|---|---|---|---|---|---|---|---|---|")
    for dtype in args.dtypes.split(","):
        ours, theirs = [], []
        for _ in range(args.rounds):
            precision = ["--f32"] if dtype == "float32" else []
            ours.append(figures(output([args.model_speed, args.model, *precision, args.tokens, 0, args.sequences]),
                                rf"prefill .* {FIGURE} tokens/s", rf"{FIGURE} % of gemm", rf"decode .* {FIGURE} tokens/s",
                                rf"{FIGURE} % of read", rf"gemm +{FIGURE}", rf"read +{FIGURE}"))
            theirs.append(figures(output([args.peer, HERE / "transformers_speed.py", args.model, dtype, args.tokens, cores,
                                          args.sequences]), rf"prefill {FIGURE}", rf"decode {FIGURE}"))
        median = lambda rows, at: statistics.median(row[at] for row in rows)
        ratio = lambda at, peer: statistics.median(o[at] / t[peer] for o, t in zip(ours, theirs))
        print(f"| {dtype} | {median(ours, 0):.0f} | {median(ours, 1):.0f} % of {median(ours, 4):.0f} GFLOP/s | "
              f"{median(theirs, 0):.0f} | {ratio(0, 0):.2f} | {median(ours, 2):.1f} | {median(ours, 3):.0f} % of "
              f"{median(ours, 5):.1f} GB/s | {median(theirs, 1):.1f} | {ratio(2, 1):.1f} |", flush=True)


if __name__ == "__main__":
    main()
