"""A vision-language model: the text is compressed, the vision tower is not touched.

Checkpoint and readers spell the names differently: the file has `visual.…` and `model.layers.…`, Transformers' modules
are `model.visual.…` and `model.language_model.layers.…`, vLLM's `visual.…` and `language_model.model.layers.…`. The
config.json we write must be right for all three.
"""
import re

import pytest
import torch

import readers
import reference

KIND = "AutoModelForImageTextToText"
SPELLINGS = {
    "checkpoint": [r"re:visual\..*", "lm_head"],
    "anywhere": [r"re:.*visual\..*", "lm_head"],
    "transformers": [r"re:model\.visual\..*", "lm_head"],
    # As the usual recipes for Qwen2.5-VL have it.
    "both": ["re:.*lm_head", "re:visual.*", "re:model.visual.*"],
}


@pytest.fixture(params=SPELLINGS)
def folder(request, compressed):
    ignore = [flag for entry in SPELLINGS[request.param] for flag in ("--ignore", entry)]
    return compressed("vision", "--scheme", "W8A16", "--group-size", "64", *ignore)


def test_only_text_is_compressed(folder, source):
    original, stored = reference.tensors(source("vision")), reference.tensors(folder)
    linears = reference.modules(folder)
    assert len(linears) == 14 and all(m.startswith("model.layers.") for m in linears)
    for name in original:
        if name.startswith("visual."):
            assert torch.equal(original[name], stored[name]), name


def test_transformers_loads_it(folder, source):
    loaded, original = readers.load(folder, KIND), readers.load(source("vision"), KIND)
    ids = torch.arange(3, 40)[None]
    with torch.inference_mode():
        got, want = loaded(input_ids=ids).logits.float(), original(input_ids=ids).logits.float()
    # 8 bits with a scale per 64 columns; a model that lost its weights is off by more than 1.
    assert (got - want).norm() < 0.03 * want.norm()


# Targets in one reader's spelling: config.json must hold them in one that all readers understand.
TARGETS = {
    "checkpoint": [r"re:model\.layers\..*"],
    "transformers": [r"re:model\.language_model\.layers\..*"],
    "vllm": [r"re:language_model\.model\.layers\..*"],
    "anywhere": [r"re:.*language_model.*_proj$"],
    "exact": ["model.language_model.layers.0.mlp.up_proj", "model.layers.0.mlp.gate_proj"],
}


@pytest.mark.parametrize("spelling", TARGETS)
def test_targets_mean_the_same_to_all(spelling, compressed, source):
    flags = [flag for target in TARGETS[spelling] for flag in ("--targets", target)]
    folder = compressed("vision", "--scheme", "W8A16", "--group-size", "64", "--ignore", "lm_head", *flags)
    stored = set(reference.modules(folder))
    assert len(stored) == (2 if spelling == "exact" else 14)
    test_transformers_loads_it(folder, source)
    model = readers.load(folder, KIND)
    quantized = {name for name, module in model.named_modules() if hasattr(module, "quantization_scheme")}
    assert {name.replace("model.language_model.", "model.") for name in quantized} == stored
    scheme = reference.quantization_config(folder).config_groups["group_0"]
    for name in stored:  # vLLM's own matching, on its names
        layer = name.replace("model.layers.", "language_model.model.layers.")
        assert any(t.startswith("re:") and re.match(t[3:], layer) for t in scheme.targets), layer
