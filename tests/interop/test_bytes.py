"""Stored bytes against compressed-tensors: given our scales, its own code makes the same bytes out of the weights,
and reads back the same numbers."""
import json

import pytest
import torch

import reference
from program import tersor_json

# Every format, bit width and strategy of the data-free presets.
PRESETS = ["W2A16", "W3A16", "W4A16", "W5A16", "W6A16", "W7A16", "W8A16", "W4A16_ASYM", "W8A8", "W4A8", "W4AFP8",
           "W2A8", "W3A8", "W5A8", "W6A8", "W7A8", "W2A4", "W3A4", "W4A4", "FP8_DYNAMIC", "FP8_BLOCK", "NVFP4A16", "MXFP4", "MXFP4A16", "MXFP8", "MXFP8A16"]
MSE = ["W4A16", "W4A16_ASYM", "W8A8", "FP8_DYNAMIC", "NVFP4A16", "MXFP4"]
CASES = [(p, "minmax") for p in PRESETS] + [(p, "mse") for p in MSE]


@pytest.fixture
def ours(request, source, compressed):
    preset, observer = request.param
    flags = ["--scheme", preset, "--ignore", "lm_head", "--reader", "transformers"] + (["--observer", "mse"] if observer == "mse" else [])
    folder = compressed("tiny", *flags)
    (scheme,) = reference.quantization_config(folder).config_groups.values()
    return folder, scheme, source("tiny")


def parametrize(test):
    return pytest.mark.parametrize("ours", CASES, ids=lambda c: "-".join(c), indirect=True)(test)


@parametrize
def test_bytes(ours):
    folder, scheme, source = ours
    weights = reference.tensors(source)
    stored = reference.modules(folder)
    assert len(stored) == 21  # 7 linears in each of 3 layers
    for module, got in stored.items():
        want = reference.recompressed(weights[f"{module}.weight"], got, scheme)
        assert sorted(got) == sorted(want), module
        for name in got:
            a, b = got[name], want[name].contiguous()
            assert (a.dtype, a.shape) == (b.dtype, b.shape), f"{module}.{name}"
            different = (a.view(torch.uint8) != b.view(torch.uint8)).sum().item() if a.dim() else int(a != b)
            assert different == 0, f"{module}.{name}: {different} of {a.numel() * a.element_size()} bytes differ"


@parametrize
def test_what_is_not_compressed_is_the_source(ours):
    folder, _, source = ours
    stored = reference.tensors(folder)
    linears = reference.modules(folder)
    kept = {k: v for k, v in reference.tensors(source).items() if k.removesuffix(".weight") not in linears}
    assert kept
    for name, tensor in kept.items():
        assert stored[name].dtype == tensor.dtype and torch.equal(stored[name], tensor), name


@parametrize
def test_verify_measures_what_compressed_tensors_reads(ours):
    folder, scheme, source = ours
    report = tersor_json("verify", folder, "--reference", source)
    measured = {m["module"]: m["relative_error"] for m in report["modules"]}
    for module, error in reference.errors(folder, source).items():
        assert measured[module] == pytest.approx(error, rel=1e-5), module


@parametrize
def test_config_is_what_the_reader_would_write(ours):
    """Nothing is lost or changed when compressed-tensors reads our quantization_config and writes it again."""
    folder, _, _ = ours
    raw = json.load(open(f"{folder}/config.json"))["quantization_config"]
    again = json.loads(reference.quantization_config(folder).model_dump_json())
    assert {k: raw[k] for k in again if k in raw} == {k: again[k] for k in again if k in raw}
    assert set(raw) - set(again) <= {"version", "sparsity_config", "transform_config"}
