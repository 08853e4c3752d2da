"""A vision-language model: the text is compressed, the vision tower is not touched.

Checkpoint and readers spell the names differently: the file has `visual.…` and `model.layers.…`, Transformers' modules
are `model.visual.…` and `model.language_model.layers.…`, vLLM's `visual.…` and `language_model.model.layers.…`. The
config.json we write must be right for all three.
"""
import pytest
import torch

import readers
import reference

KIND = "AutoModelForImageTextToText"
SPELLINGS = {
    "checkpoint": r"re:visual\..*",
    "anywhere": r"re:.*visual\..*",
}


@pytest.fixture(params=SPELLINGS)
def folder(request, compressed):
    return compressed("vision", "--scheme", "W8A16", "--group-size", "64", "--ignore", "lm_head", "--ignore",
                      SPELLINGS[request.param])


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
