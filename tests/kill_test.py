#!/usr/bin/env python3
"""Kills a calibrated run at random moments, again and again: the same command goes on, and ends in the same bytes.

    kill_test.py SOURCE_DIR TERSOR [--kills N] [--seed N]

GPTQ of models/tiny, with most activations in a file. A run that ends before its moment comes is compared with the run
that nobody disturbed, and the next one starts afresh.
"""
import argparse
import hashlib
import json
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import time


def digest(folder):
    """One SHA-256 of every file's name and bytes."""
    hashed = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        hashed.update(f"{path.relative_to(folder)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("tersor")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw = random.Random(args.seed)
    run = ["--scheme", "W4A16", "--group-size", "64", "--ignore", "lm_head", "--method", "gptq", "--samples", "16",
           "--max-seq-length", "256"]
    model = args.source / "models/tiny"
    plan = json.loads(subprocess.run([args.tersor, "plan", model, *run, "--json"], capture_output=True, check=True).stdout)
    # A quarter of the activations stays in memory.
    budget = plan["calibration"]["memory"] - plan["calibration"]["state_memory"] * 3 // 4

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)

        def command(out):
            return [args.tersor, "compress", model, "-o", out, *run, "--max-memory", str(budget), "--log-json",
                    folder / "log.json", "--quiet"]

        start = time.monotonic()
        subprocess.run(command(folder / "whole"), check=True)
        seconds = time.monotonic() - start
        expected = digest(folder / "whole")

        kills = finished = resumed = 0
        out = folder / "out"
        while kills < args.kills:
            assert finished < 4 * args.kills + 10, f"{finished} runs ended before they were killed, {kills} did not"
            process = subprocess.Popen(command(out))
            try:
                code = process.wait(timeout=draw.uniform(0, seconds))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
                if kills < args.kills:
                    continue
                code = subprocess.run(command(out), check=False).returncode
            assert code == 0, f"a run after {kills} kills: exit {code}"
            finished += 1
            resumed += re.search(r'"resumed_layers": *[1-9]', (folder / "log.json").read_text()) is not None
            assert digest(out) == expected, f"after {kills} kills the bytes are others than without (seed {args.seed})"
            shutil.rmtree(out)
        assert resumed > 0, "no run went on after a finished layer: nothing was tested"
        print(f"{kills} kills, {finished} runs finished, {resumed} of them after layers of killed ones: SHA-256 {expected}")


if __name__ == "__main__":
    main()
