"""Compressed checkpoints run by `tersor eval` and `generate` against Transformers on the dequantized weights.

Activations are quantized here by plain formulas, as vLLM computes them: hooks on the inputs of the quantized layers
(tests/golden/make_activations.py holds the formulas to `fake_quantize`, bit for bit).

A last bit of f32 moves an activation across a rounding boundary now and then, and every layer makes more of that: the
oracle in f32 is as far from itself in f64 as we are (W4A8 at one layer of SmolLM2: oracle f32 against f64 0.26 %, ours
against f64 0.00002 %). So the oracle computes in f64, and what may differ is what noise of a few last bits on its
activations makes of its own figure.
"""
import math
import sys

import pytest

import readers
from program import REPO, tersor, tersor_json

sys.path.insert(0, str(REPO / "tests" / "golden"))
from make_activations import fp8_per_group, int_per_token, mxfp4, mxfp8  # noqa: E402

GROUP_64 = ("--group-size", "64")


# Weights alone: scheme, flags of compress.
WEIGHTS = [
    ("W4A16", GROUP_64), ("W4A16_ASYM", GROUP_64), ("W8A16", GROUP_64), ("W2A16", GROUP_64), ("W3A16", GROUP_64),
    ("W5A16", GROUP_64), ("W6A16", GROUP_64), ("W7A16", GROUP_64), ("NVFP4A16", ()), ("MXFP4A16", ()), ("MXFP8A16", ()),
]


def int_of(bits):
    return lambda x: int_per_token(x, bits)


def fp8_per_token(x):
    return fp8_per_group(x, x.shape[-1])


ACTIVATIONS = {
    "W8A8": int_of(8), "W4A8": int_of(8), "W2A8": int_of(8), "W3A8": int_of(8), "W5A8": int_of(8), "W6A8": int_of(8),
    "W7A8": int_of(8), "W2A4": int_of(4), "W3A4": int_of(4), "W4A4": int_of(4), "W4AFP8": fp8_per_token,
    "FP8_DYNAMIC": fp8_per_token, "FP8_BLOCK": lambda x: fp8_per_group(x, 128), "MXFP4": mxfp4, "MXFP8": mxfp8,
}
FLAGS = ("--ignore", "lm_head", "--reader", "transformers")


def model(folder, dtype):
    import torch
    from transformers import AutoModelForCausalLM, CompressedTensorsConfig
    readers.quiet()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                 quantization_config=CompressedTensorsConfig(dequantize=True))
    model = model.to(dtype).eval()
    for module in model.modules():
        if hasattr(module, "quantization_scheme"):
            module.quantization_enabled = False
    return model


def logits_of(model, ids, activations=None, noise=0.0, seed=0):
    """With `noise`, activations are off by normal errors of that relative size before they are quantized."""
    import torch
    generator = torch.Generator().manual_seed(seed)

    def quantize(_, inputs):
        x = inputs[0]
        return (activations(x * (1 + noise * torch.randn(x.shape, generator=generator, dtype=x.dtype))),)
    hooks = [m.register_forward_pre_hook(quantize) for m in model.modules()
             if activations and hasattr(m, "quantization_scheme")]
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids])).logits[0]
    for hook in hooks:
        hook.remove()
    return logits


def perplexity(model, ids, *args):
    import torch
    logits = logits_of(model, ids, *args)[:-1].double()
    return math.exp(torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:])).item())


def text_of(folder, tokens, path):
    """A file of about this many tokens, and their ids."""
    tokenizer = readers.tokenizer(folder)
    whole = readers.TEXT.read_text(encoding="utf-8")[:4000]
    path.write_text(tokenizer.decode(tokenizer(whole, add_special_tokens=False)["input_ids"][:tokens]), encoding="utf-8")
    return tokenizer(path.read_text(encoding="utf-8"), add_special_tokens=False)["input_ids"]


@pytest.mark.slow
@pytest.mark.parametrize("scheme, flags", WEIGHTS, ids=[c[0] for c in WEIGHTS])
def test_perplexity(scheme, flags, source, compressed, tmp_path):
    import torch
    folder = compressed("smollm2", "--scheme", scheme, "--ignore", "lm_head", *flags)
    ids = text_of(source("smollm2"), 96, tmp_path / "text")
    ours = tersor_json("eval", folder, "--text", tmp_path / "text", "--dtype", "f32", "--quiet")
    assert ours["predicted_tokens"] == len(ids) - 1
    # Four digits. NVFP4 is dequantized to bf16 there, and a perplexity above a million (W2A16) has its digits in the loss.
    tolerance = {"NVFP4A16": 1e-3, "W2A16": 5e-4}.get(scheme, 5e-5)
    assert ours["perplexity"] == pytest.approx(perplexity(model(folder, torch.float32), ids), rel=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ACTIVATIONS)
def test_activations(scheme, source, compressed, tmp_path):
    import torch
    folder, activations = compressed("tiny", "--scheme", scheme, *FLAGS), ACTIVATIONS[scheme]
    oracle = model(folder, torch.float64)
    noise, draws = 2.5e-7, 6  # f32 sums of hundreds of products are off by a few last bits of 2^-24

    ids = text_of(source("tiny"), 160, tmp_path / "text")
    ours = tersor_json("eval", folder, "--text", tmp_path / "text", "--dtype", "f32", "--quiet")
    assert ours["predicted_tokens"] == len(ids) - 1
    theirs = perplexity(oracle, ids, activations)
    spread = [perplexity(oracle, ids, activations, noise, seed) / theirs - 1 for seed in range(draws)]
    tolerance = 4 * math.sqrt(sum(x * x for x in spread) / draws) + 1e-5
    assert ours["perplexity"] == pytest.approx(theirs, rel=tolerance)
    if scheme.endswith("A4") or scheme == "MXFP4":
        # Activations that stay as they are would show; what 8 bits do to them is hardly larger than such noise.
        assert perplexity(oracle, ids) != pytest.approx(theirs, rel=tolerance)

    # Each token is the likeliest after the same tokens, or within the noise of it.
    ours = tersor_json("generate", folder, "--prompt", "Once upon a time", "--max-new-tokens", 12, "--dtype", "f32")
    ids, start = ours["prompt_ids"] + ours["ids"], len(ours["prompt_ids"])
    exact = logits_of(oracle, ids, activations)
    spread = max((logits_of(oracle, ids, activations, noise, seed) - exact).abs().max().item() for seed in range(3))
    for position, token in enumerate(ours["ids"], start):
        logits = exact[position - 1]
        assert logits[token] >= logits.max() - 2 * spread - 1e-4, position


def test_compress_prints_a_sample(source, tmp_path):
    run = ("compress", source("tiny"), "-o", tmp_path / "out", "--scheme", "W8A16", "--ignore", "lm_head")
    out = tersor(*run, "--sample", "Once upon", "--quiet").stdout
    text = tersor_json("generate", tmp_path / "out", "--prompt", "Once upon", "--max-new-tokens", 40)["text"]
    assert out.strip() == ("Once upon" + text).strip()


def test_version_tells_what_computes():
    out = tersor("version", "--verbose").stdout
    assert "matrix products" in out and "back end" in out
    assert ("bf16 with f32 sums" in out) != ("f32: this CPU does not multiply bf16" in out)
