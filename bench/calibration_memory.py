#!/usr/bin/env python3
"""Holds `tersor compress` against its own --max-memory: what was allowed, predicted and used, in a Markdown table.

    calibration_memory.py TERSOR WORK_DIR MODEL [MODEL ...] [--budgets 300MB,1GiB,none] [--schemes gptq,fp8]
        [--samples N] [--max-seq-length N]

The peak is what the kernel says of the finished process (ru_maxrss). A budget below what a run needs must be refused with
the least that would do, and that least must then be enough: it is run too, as `least`. Exit 1 where a peak is more than 5 %
above its budget.
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

from measured import measured

SCHEMES = {"gptq": ["--scheme", "W4A16", "--group-size", "64", "--method", "gptq"], "fp8": ["--scheme", "FP8"]}
UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
TOLERANCE = 1.05


def bytes_of(text):
    number, unit = re.fullmatch(r"([0-9.]+) ?([A-Za-z]*)", text).groups()
    return float(number) * UNITS[unit.lower()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tersor")
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--budgets", default="1MB,300MB,500MB,1GiB,none")
    parser.add_argument("--schemes", default="gptq,fp8")
    parser.add_argument("--samples", default="16")
    parser.add_argument("--max-seq-length", default="512")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    exceeded = 0
    print("| model | scheme | --max-memory | predicted MB | peak MB | of the budget | seconds |\n|---|---|---|---|---|---|---|")
    for model in args.models:
        for scheme in args.schemes.split(","):
            budgets, least = args.budgets.split(","), None
            while budgets:
                budget = budgets.pop(0)
                common = [model, *SCHEMES[scheme], "--ignore", "lm_head", "--samples", args.samples, "--max-seq-length",
                          args.max_seq_length]
                if budget != "none":
                    common += ["--max-memory", budget]
                planned = subprocess.run([args.tersor, "plan", *common, "--json"], capture_output=True, text=True, check=True)
                predicted = json.loads(planned.stdout)["peak_memory"]
                out = args.work / "out"
                for folder in (out, args.work / "out.partial"):
                    shutil.rmtree(folder, ignore_errors=True)
                code, seconds, peak, error = measured([args.tersor, "compress", *common, "-o", out, "--quiet"])
                row = f"| {model.name} | {scheme} | {budget} | {predicted / 1e6:.0f} |"
                needed = re.search(r"this run needs ([0-9.]+ [A-Za-z]+) at least", error)
                if needed:
                    print(f"{row} | refused: {needed[1]} at least | |", flush=True)
                    if least is None:
                        least = needed[1].replace(" ", "")
                        budgets.append(least)
                    continue
                if code != 0:
                    sys.exit(f"{' '.join(map(str, common))}: exit {code}\n{error}")
                share = peak / bytes_of(budget) if budget != "none" else peak / predicted
                exceeded += share > TOLERANCE
                print(f"{row} {peak / 1e6:.0f} | {share:.2f} | {seconds:.0f} |", flush=True)
    for folder in (args.work / "out", args.work / "out.partial"):
        shutil.rmtree(folder, ignore_errors=True)
    if exceeded:
        sys.exit(f"{exceeded} peaks are more than 5 % above what was stated")


if __name__ == "__main__":
    main()
