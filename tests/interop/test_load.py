"""Compressed checkpoints load in Transformers and in vLLM, and compute the right thing.

A wrong nibble order, scale layout or zero point loads without any error, so the loss on a text and the answer to a
question are judged.
"""
import functools
import re

import pytest

import cases
import readers


@functools.cache
def original(folder):
    model = readers.load(folder)
    return readers.greedy(model, folder), readers.loss(model, folder)


@pytest.mark.slow
@pytest.mark.parametrize("case", cases.SMOLLM2 + cases.TINY, ids=str)
def test_transformers(case, source, compressed):
    folder = source(case.model)
    model = readers.load(compressed(case.model, *case.flags))
    text, loss = readers.greedy(model, folder), readers.loss(model, folder)
    original_text, original_loss = original(folder)
    assert case.says in original_text and case.says in text
    assert loss - original_loss < case.harm


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.parametrize("case", [c for c in cases.SMOLLM2 + cases.TINY if c.vllm], ids=str)
def test_vllm(case, vllm):
    answer = vllm(case)
    assert answer["ok"], f"{answer['stage']}: {answer['error']}"
    assert case.says in answer["text"]


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.parametrize("case", cases.MOE, ids=str)
def test_vllm_has_the_scheme_of_experts(case, vllm):
    """As far as a CPU goes: a scheme for the experts is found, and only then a kernel is missing."""
    answer = vllm(case)
    assert not answer["ok"] and re.search("(FP8|WNA16|Int8) MoE backend", answer["error"]), answer["error"]
