"""Mixture of experts: the same compressed model out of per-expert 2-D tensors and out of fused 3-D tensors."""
import pytest
import torch

import readers
import reference

FLAGS = {  # routers are left alone without being named
    "FP8_DYNAMIC": ("--scheme", "FP8_DYNAMIC", "--ignore", "lm_head"),
    "W4A16": ("--scheme", "W4A16", "--group-size", "64", "--ignore", "lm_head"),
}


@pytest.mark.parametrize("scheme", FLAGS)
def test_fused_experts_become_the_same_tensors(scheme, compressed):
    separate, fused = (reference.tensors(compressed(model, *FLAGS[scheme])) for model in ("moe", "moe-fused"))
    assert sorted(separate) == sorted(fused)
    assert any(".experts.3.down_proj." in name for name in separate)
    for name, tensor in separate.items():
        other = fused[name]
        assert tensor.dtype == other.dtype and torch.equal(tensor.view(torch.uint8), other.view(torch.uint8)), name


@pytest.mark.parametrize("scheme", FLAGS)
@pytest.mark.parametrize("model", ["moe", "moe-fused"])
def test_transformers_computes_with_what_is_stored(model, scheme, source, compressed):
    """The logits equal those of the uncompressed model class with our dequantized weights put in."""
    folder = compressed(model, *FLAGS[scheme])
    loaded = readers.load(folder)
    expected = readers.load(source(model))
    (group,) = reference.quantization_config(folder).config_groups.values()
    state = expected.state_dict()
    for module, stored in reference.modules(folder).items():
        put(state, module, reference.dequantized(stored, group).bfloat16())
    ids = torch.arange(3, 40)[None]
    with torch.inference_mode():
        for m in (*loaded.modules(), *expected.modules()):
            m.quantization_enabled = False  # compare weights: activations are not rounded
        got, want = loaded(input_ids=ids).logits.float(), expected(input_ids=ids).logits.float()
        plain = readers.load(source(model))(input_ids=ids).logits.float()
    assert (got - want).norm() < 0.01 * want.norm()  # bf16 rounding
    assert (got - plain).norm() > 0.01 * plain.norm()  # and it was compressed


def put(state, module, weight):
    """Writes a weight where Transformers keeps it: experts in 3-D tensors, gate above up."""
    head, experts, rest = module.partition(".experts.")
    if not experts:
        state[f"{module}.weight"].copy_(weight)
        return
    expert, name = rest.split(".")
    if name == "down_proj":
        state[f"{head}.experts.down_proj"][int(expert)].copy_(weight)
    else:
        half = slice(None, len(weight)) if name == "gate_proj" else slice(len(weight), None)
        state[f"{head}.experts.gate_up_proj"][int(expert), half].copy_(weight)
