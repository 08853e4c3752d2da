#!/usr/bin/env python3
"""Times `tersor compress` against `cp` of the same input, and against llm-compressor, in one run.

    compress_bench.py TERSOR MODEL WORK_DIR [--schemes A,B] [--runs N] [--peer PYTHON]

Each round runs every contender once, in turn, with the page cache warm; the table gives medians, and ratios taken
round by round. `cp + sync` copies the model's folder and syncs every file, which is what any program that reads the
input and writes as much would need. --peer: a Python with llm-compressor, whose model_free_ptq and oneshot are then
run once per scheme that they have.
"""
import argparse
import pathlib
import shutil
import statistics
import subprocess
import sys

from measured import measured

PEER_MODEL_FREE = """
import sys
from llmcompressor import model_free_ptq
model_free_ptq(sys.argv[1], sys.argv[2], scheme=sys.argv[3], ignore=["lm_head", "model.embed_tokens"], device="cpu",
               max_workers=2)
"""
PEER_ONESHOT = """
import sys
from transformers import AutoModelForCausalLM
from llmcompressor import oneshot
from llmcompressor.modifiers.quantization import QuantizationModifier
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="auto")
oneshot(model=model, recipe=QuantizationModifier(scheme=sys.argv[3], targets=["Linear"], ignore=["lm_head"]))
model.save_pretrained(sys.argv[2], save_compressed=True)
"""


def run(command):
    """Seconds and peak resident megabytes of a command."""
    done = measured(command)
    if done.code != 0:
        sys.exit(f"{' '.join(map(str, command[:4]))} … failed:\n{done.output[-2000:]}")
    return done.seconds, done.peak_rss / 2**20


def folder_bytes(folder):
    return sum(f.stat().st_size for f in pathlib.Path(folder).rglob("*") if f.is_file())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tersor")
    parser.add_argument("model")
    parser.add_argument("work")
    parser.add_argument("--schemes", default="FP8_BLOCK,FP8_DYNAMIC,W8A8,W4A16")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peer")
    args = parser.parse_args()
    work = pathlib.Path(args.work)
    work.mkdir(parents=True, exist_ok=True)
    out = work / "out"
    schemes = args.schemes.split(",")
    contenders = {"cp + sync": ["sh", "-c", 'cp -r "$0" "$1" && find "$1" -type f -exec sync {} +', args.model, out]}
    for scheme in schemes:
        contenders[f"tersor {scheme}"] = [args.tersor, "compress", args.model, "-o", out, "--scheme", scheme, "--quiet"]
    seconds = {name: [] for name in contenders}
    memory = {name: 0 for name in contenders}
    sizes = {}
    for _ in range(args.runs):
        for name, command in contenders.items():
            shutil.rmtree(out, ignore_errors=True)
            subprocess.run(["sync"], check=True)
            subprocess.run(["sh", "-c", 'cat "$0"/*.safetensors > /dev/null', args.model], check=True)  # warm
            s, m = run(command)
            seconds[name].append(s)
            memory[name] = max(memory[name], m)
            sizes[name] = folder_bytes(out)
    shutil.rmtree(out, ignore_errors=True)
    source = folder_bytes(args.model)
    print(f"input {source / 1e9:.2f} GB, {args.runs} rounds")
    print("| command | seconds (median) | of cp + sync | input GB/s | output GB | peak RSS MB |")
    print("|---|---|---|---|---|---|")
    base = seconds["cp + sync"]
    for name in contenders:
        ratio = statistics.median(a / b for a, b in zip(seconds[name], base))
        median = statistics.median(seconds[name])
        print(f"| {name} | {median:.2f} | {ratio:.2f} | {source / median / 1e9:.2f} | {sizes[name] / 1e9:.2f} | {memory[name]:.0f} |")
    if not args.peer:
        return
    for scheme in schemes:
        for name, script in (("model_free_ptq", PEER_MODEL_FREE), ("oneshot", PEER_ONESHOT)):
            shutil.rmtree(out, ignore_errors=True)
            s, m = run([args.peer, "-c", script, args.model, out, scheme])
            ours = statistics.median(seconds[f"tersor {scheme}"])
            print(f"| llm-compressor {name} {scheme} | {s:.2f} | {s / statistics.median(base):.2f} | {source / s / 1e9:.2f} "
                  f"| {folder_bytes(out) / 1e9:.2f} | {m:.0f} |   tersor is {s / ours:.1f} x faster")
            sys.stdout.flush()
    shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main()
