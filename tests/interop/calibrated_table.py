#!/usr/bin/env python3
"""Calibrated compression beside llm-compressor's: how far the models are from their source, as Markdown tables.

    calibrated_table.py MODEL CALIBRATION_TEXT EVALUATION_TEXT WORK_DIR [--only WORDS] [--samples 64] [--tokens 512]

Needs build/tersor, and runs in an environment with llm-compressor. Both programs get the same tokens; both results are
judged by `tersor eval` (test_eval.py holds it against Transformers). What WORK_DIR already has is not run again: delete
a run's .json to repeat it. --only: runs whose names hold one of these words, with commas between.
(bench/calibration_bench.py compares times and memory.)
"""
import argparse
import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys

from program import PROGRAM

PEER = pathlib.Path(__file__).with_name("calibrated_peer.py")


@dataclasses.dataclass(frozen=True)
class Run:
    scheme: str              # a preset, with -N for groups of N
    who: str                 # tersor or llm-compressor
    method: str              # gptq or rtn
    observer: str = "default"
    flags: tuple = ()        # more of `tersor compress`
    gptq: tuple = ()         # fields of GPTQModifier that have no flag
    kwargs: tuple = ()       # of the observer
    about: str = ""

    def name(self):
        words = (*self.flags, *(f"{k}-{v}" for k, v in self.gptq + self.kwargs))
        more = "".join("-" + w.strip("-").replace(" ", "-") for w in words)
        return f"{self.scheme}-{self.who}-{self.method}-{self.observer}{more}"


SCHEMES = {"W4A16-64": "gptq", "W4A16-32": "gptq", "W3A16-64": "gptq", "W8A8": "gptq", "NVFP4A16": "gptq", "FP8": "rtn"}
OBSERVERS = ("memoryless_mse", "imatrix_mse")


def default_of(who, scheme):
    observer = "minmax" if who == "llm-compressor" or scheme == "FP8" else "imatrix_mse"
    return f"{observer} (its default)"


def beside():
    """Every scheme: rounded to nearest, llm-compressor's settings, ours."""
    for scheme, method in SCHEMES.items():
        if method == "gptq":
            yield Run(scheme, "tersor", "rtn", "memoryless_mse")
        for who in ("llm-compressor", "tersor"):
            yield Run(scheme, who, method, about=default_of(who, scheme))
            for observer in OBSERVERS:
                if scheme == "FP8" and observer == "imatrix_mse":
                    continue  # FP8's strategy, tensor, has no importance of columns
                if who == "tersor" and observer == default_of(who, scheme).split()[0]:
                    continue
                yield Run(scheme, who, method, observer)


def parts():
    """W4A16 in groups of 64: what each part of the method gives, beginning with what llm-compressor does."""
    plain = {"signed_scales": "false", "shrinkage": 0}
    cubes = {"maxshrink": 0.95, "grid": 20, "norm": 3.0}
    squares = {"maxshrink": 0.95, "grid": 20}

    def run(observer, about, gptq=plain, kwargs={}, flags=()):
        return Run("W4A16-64", "tersor", "gptq", observer, flags, tuple(gptq.items()), tuple(kwargs.items()), about)

    yield run("memoryless_minmax", "minmax, statistics of a whole layer at once", flags=("--sequential-scope", "layer"))
    yield run("memoryless_minmax", "+ statistics after the stages before (true-sequential)")
    yield run("memoryless_mse", "+ scales by mse")
    yield run("imatrix_mse", "+ errors weighed by the importance of columns (20 ranges, cubes)", kwargs=cubes)
    yield run("imatrix_mse", "+ squares instead of cubes", kwargs=squares)
    yield run("imatrix_mse", "+ 80 ranges")
    yield run("imatrix_mse", "+ scales of either sign", {"shrinkage": 0})
    yield run("imatrix_mse", "+ shrinkage 0.1: our default", {})
    yield run("imatrix_mse", "the default, shrinkage 0.3", {"shrinkage": 0.3})
    yield run("imatrix_mse", "the default, GPTAQ", {}, flags=("--asymmetric-calibration",))
    yield run("imatrix_mse", "the default, columns in natural order", {"actorder": "null"})
    yield run("imatrix_mse", "the default, damping 0.05", {"dampening_frac": 0.05})
    yield run("imatrix_mse", "the default, inputs of the source model", {}, flags=("--no-propagate-error",))


def call(command, log):
    """Runs a command whose output goes to `log`."""
    with open(log, "w") as out:
        done = subprocess.run([str(c) for c in command], stdout=out, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed, see {log}:\n{pathlib.Path(log).read_text()[-2000:]}")


def compress_command(run, args, out):
    if run.who == "llm-compressor":
        return [sys.executable, PEER, args.model, out, run.method, run.scheme, run.observer, args.calibration, args.samples,
                args.tokens, "float32"]
    preset, _, group_size = run.scheme.partition("-")
    command = [PROGRAM, "compress", args.model, "-o", out, "--overwrite", "--quiet", *run.flags]
    if run.gptq or run.kwargs:
        recipe = pathlib.Path(f"{out}.yaml")
        weights = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": int(group_size), "observer": run.observer,
                   "observer_kwargs": dict(run.kwargs)}
        fields = "".join(f"      {k}: {v}\n" for k, v in run.gptq)
        recipe.write_text("stage:\n  modifiers:\n    GPTQModifier:\n      ignore: [lm_head]\n"
                          f"      config_groups: {{g: {{targets: [Linear], weights: {json.dumps(weights)}}}}}\n{fields}")
        command += ["--recipe", recipe]
    else:
        command += ["--scheme", preset, "--ignore", "lm_head", "--method", run.method]
        command += ["--group-size", group_size] if group_size else []
        command += [] if run.observer == "default" else ["--observer", run.observer]
    if run.method == "gptq" or run.scheme == "FP8":
        command += ["--dataset", args.calibration, "--packing", "--samples", args.samples, "--max-seq-length", args.tokens]
    return command


def result(run, args):
    """What is known of a run; runs what is not known."""
    path = args.work / f"{run.name()}.json"
    if path.exists():
        return json.loads(path.read_text())
    out = args.work / run.name()
    shutil.rmtree(out, ignore_errors=True)
    call(compress_command(run, args, out), f"{out}.log")
    judged = subprocess.run([PROGRAM, "eval", out, "--text", args.evaluation, "--reference", args.model, "--window",
                             str(args.tokens), "--json", "--quiet"], check=True, capture_output=True, text=True)
    path.write_text(judged.stdout)
    shutil.rmtree(out)
    return json.loads(judged.stdout)


def table(runs, args, first):
    rows = [(run, result(run, args)) for run in runs if any(w in run.name() for w in args.only.split(","))]
    if not rows:
        return
    print(f"| {first} | KL divergence | perplexity | same top token |\n|{'---|' * (first.count('|') + 4)}")
    for run, found in rows:
        beside = found["reference"]
        print(f"| {label(run)} | {beside['kl_mean']:.4f} | {found['perplexity']:.2f} | {beside['top1_agreement']:.1%} |")
    print()


def label(run):
    if run.about and run.observer != "default":
        return run.about
    observer = run.about if run.observer == "default" else run.observer
    observer = observer.removeprefix("memoryless_").replace("imatrix_mse", "imatrix")
    what = "rounded to nearest" if run.who == "tersor" and run.method == "rtn" and run.scheme != "FP8" else run.who
    return f"{run.scheme.replace('-', ', groups of ')} | {what} | {observer}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("calibration", type=pathlib.Path)
    parser.add_argument("evaluation", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=512)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    table(beside(), args, "scheme | by | observer of weights")
    table(parts(), args, "W4A16, groups of 64")


if __name__ == "__main__":
    main()
