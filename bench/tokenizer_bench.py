#!/usr/bin/env python3
"""Tokenizing on one thread: this program beside the tokenizers library, on the same documents, turn by turn.

    tokenizer_bench.py TOOL TOKENIZER_FOLDER TEXT [--rounds 5]

TOOL is build/bench/tokenizer_bench. Needs the Python package tokenizers. Each encodes documents of 4 kB in turns. Both
remember the words they have seen: the first round of each is shown, and the fastest.
"""
import argparse
import os
import pathlib
import re
import subprocess
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

DOCUMENT_BYTES = 4000  # as in tokenizer_bench.cc


def documents(text):
    out, at = [], 0
    while at < len(text):
        end = text.find(b"\n", at + DOCUMENT_BYTES) + 1 or len(text)
        out.append(text[at:end].decode(errors="replace"))
        at = end
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool")
    parser.add_argument("tokenizer")
    parser.add_argument("text")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    import tokenizers
    tokenizer = tokenizers.Tokenizer.from_file(str(pathlib.Path(args.tokenizer) / "tokenizer.json"))
    text = pathlib.Path(args.text).read_bytes()
    docs = documents(text)
    ours, theirs = [0.0, 0.0], [0.0, 0.0]  # at first, and at best
    for round_ in range(args.rounds):
        answer = subprocess.run([args.tool, args.tokenizer, args.text, "3"], check=True, capture_output=True, text=True)
        first, best, tokens = (float(word) for word in re.findall(r"[0-9.]+", answer.stdout))
        ours = [max(ours[0], first), max(ours[1], best)]
        start = time.perf_counter()
        count = sum(len(tokenizer.encode(doc).ids) for doc in docs)
        speed = len(text) / (time.perf_counter() - start) / 1e6
        theirs = [speed if round_ == 0 else theirs[0], max(theirs[1], speed)]
        assert tokens == count, f"{tokens} tokens, the library makes {count}"
    print(f"{len(text) / 1e6:.2f} MB, {count} tokens\n")
    print("| one thread | MB/s, words new | MB/s, words seen |\n|---|---|---|")
    print(f"| tersor | {ours[0]:.1f} | {ours[1]:.1f} |\n| tokenizers {tokenizers.__version__} | {theirs[0]:.1f} | {theirs[1]:.1f} |")
    print(f"| ratio | {ours[0] / theirs[0]:.1f} | {ours[1] / theirs[1]:.1f} |")


if __name__ == "__main__":
    main()
