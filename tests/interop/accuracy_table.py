#!/usr/bin/env python3
"""Writes the first part of docs/accuracy.md: our error per scheme and observer beside llm-compressor's, of rounding to
nearest. Needs build/tersor. (calibrated_table.py prints the tables of the second part.)

    python tests/interop/accuracy_table.py
"""
import importlib.metadata
import pathlib
import statistics
import tempfile

import accuracy
import checkpoints
from conftest import CACHE
from program import REPO

HEAD = """\
# Accuracy of rounding to nearest

Error of a linear layer's weight, ‖W − Ŵ‖ / ‖W‖, where Ŵ is dequantized from the finished files by compressed-tensors'
code, against llm-compressor {llmcompressor} with compressed-tensors {ct} on the same weights, scheme and observer. The model
is SmolLM2-135M with weights off the 4-bit grid; groups and blocks are 64. Lower is better; *worse* counts the tensors that
are further from the source than llm-compressor's.

| scheme | observer | tensors | Tersor, mean | llm-compressor, mean | worst ratio | worse |
|---|---|---|---|---|---|---|
"""
TAIL = """
The differences have two causes. For all formats, llm-compressor divides in the weight's own type, bf16, and rounds the
quotient to bf16 before it rounds to the code; Tersor divides in f32 by the scale as it is stored. NVFP4's mse search gains
more: llm-compressor takes a group's scale for exact and rounds it to fp8 afterwards, Tersor searches with the scale as fp8
holds it.

    . ~/.cache/tersor-oracles/oracle/bin/activate && python tests/interop/accuracy_table.py
"""
NEXT = "\n# Accuracy of calibrated compression\n"


def row(c):
    ratios = [e / c.theirs[m] for m, e in c.ours.items()]
    return (f"| {c.scheme} | {c.observer.removeprefix('memoryless_')} | {len(c.ours)} | "
            f"{statistics.mean(c.ours.values()):.6f} | {statistics.mean(c.theirs.values()):.6f} | {max(ratios):.6f} | "
            f"{len(c.worse())} |\n")


def main():
    source = checkpoints.cached("smollm2-off-grid", str(CACHE))
    with tempfile.TemporaryDirectory(dir=REPO / "build") as scratch:
        rows = [row(c) for c in accuracy.compare(CACHE, source, scratch)]
    head = HEAD.format(llmcompressor=importlib.metadata.version("llmcompressor"),
                       ct=importlib.metadata.version("compressed-tensors"))
    page = pathlib.Path(REPO / "docs" / "accuracy.md")
    rest = page.read_text(encoding="utf-8").partition(NEXT)
    page.write_text(head + "".join(rows) + TAIL + "".join(rest[1:]), encoding="utf-8")


if __name__ == "__main__":
    main()
