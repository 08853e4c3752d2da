#!/usr/bin/env python3
"""compressed-tensors and llm-compressor as references: their codes, their dequantization, their errors.

Run as a program it is the process in which peers() runs llm-compressor.
"""
import json
import os
import subprocess
import sys
import tempfile


def quantization_config(folder):
    """config.json's quantization_config as compressed-tensors reads it (strictly)."""
    from compressed_tensors.quantization import QuantizationConfig
    raw = json.load(open(f"{folder}/config.json"))["quantization_config"]
    return QuantizationConfig.model_validate(raw)


def modules(folder):
    """{module: {"weight_packed": tensor, …}} of the linears that carry a weight_scale."""
    found = {}
    for name, tensor in tensors(folder).items():
        module, _, suffix = name.rpartition(".")
        found.setdefault(module, {})[suffix] = tensor
    return {m: {k: v for k, v in t.items() if k != "bias"} for m, t in found.items() if "weight_scale" in t}


def tensors(folder):
    from safetensors.torch import load_file
    return {k: v for name in sorted(os.listdir(folder)) if name.endswith(".safetensors")
            for k, v in load_file(f"{folder}/{name}").items()}


def scale_values(stored):
    """weight_scale as f32: E8M0 bytes are powers of two."""
    import torch
    return torch.exp2(stored.float() - 127) if stored.dtype == torch.uint8 else stored.float()


def zero_points(stored, args):
    """weight_zero_point as stored → integers [out, groups], by compressed-tensors' unpacker; None stays None."""
    import torch
    from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32
    zero_point = stored.get("weight_zero_point")
    if zero_point is None or zero_point.dtype != torch.int32:
        return zero_point
    shape = torch.Size([int(stored["weight_shape"][0]), stored["weight_scale"].shape[1]])
    return unpack_from_int32(zero_point, args.num_bits, shape, packed_dim=0)


def dequantized(stored, scheme):
    """What compressed-tensors makes of a module's tensors, in f32."""
    import torch
    from compressed_tensors.compressors.nvfp4.helpers import unpack_fp4_from_uint8
    from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32
    from compressed_tensors.quantization.lifecycle.forward import dequantize
    args = scheme.weights
    if "weight" in stored:
        codes = stored["weight"]
    elif stored["weight_packed"].dtype == torch.uint8:
        rows, half = stored["weight_packed"].shape
        codes = unpack_fp4_from_uint8(stored["weight_packed"], rows, 2 * half, dtype=torch.float32)
    else:
        codes = unpack_from_int32(stored["weight_packed"], args.num_bits, torch.Size(stored["weight_shape"].tolist()))
    return dequantize(codes, scale_values(stored["weight_scale"]), zero_points(stored, args), args,
                      dtype=torch.float32, global_scale=stored.get("weight_global_scale"))


def recompressed(weight, stored, scheme):
    """The tensors that compressed-tensors makes of an f32 weight when it is given the scales that are `stored`."""
    import torch
    from compressed_tensors.compressors import BaseCompressor
    state = {"weight": weight.float(), "weight_scale": scale_values(stored["weight_scale"])}
    zero_point = zero_points(stored, scheme.weights)
    # Where zero points are not stored, llm-compressor's modules hold zeros: adding them turns -0.0 into 0.0.
    state["weight_zero_point"] = (torch.zeros_like(state["weight_scale"]).to(torch.int8) if zero_point is None
                                  else zero_point)
    if "weight_global_scale" in stored:
        state["weight_global_scale"] = stored["weight_global_scale"]
    made = BaseCompressor.get_value_from_registry(scheme.format).compress(state, scheme)
    if made["weight_scale"].dtype == torch.float32:
        made["weight_scale"] = made["weight_scale"].to(weight.dtype)
    return made


def errors(folder, source):
    """{module: ||W - dequantized|| / ||W||} in double precision."""
    config = quantization_config(folder)
    (scheme,) = config.config_groups.values()
    original = tensors(source)
    result = {}
    for module, stored in modules(folder).items():
        weight = original[f"{module}.weight"].double()
        result[module] = ((weight - dequantized(stored, scheme).double()).norm() / weight.norm()).item()
    return result


# ---- llm-compressor ---------------------------------------------------------------------------------------------

def sized_scheme(name, targets, size=64):
    """The preset with groups and blocks of 64 (or `size`) in place of 128, which SmolLM2's width 576 needs."""
    from compressed_tensors.quantization import preset_name_to_scheme
    scheme = preset_name_to_scheme(name, targets)
    for args in (scheme.weights, scheme.input_activations):
        if args is not None and args.group_size == 128:
            args.group_size = size
    if scheme.weights.block_structure:
        scheme.weights.block_structure = [size, size]
    return scheme


def peers(cache, source, jobs):
    """llm-compressor's results for jobs (scheme, observer, targets): a list of {"errors", "config", "tensors": {name:
    [dtype, shape]}}. One process runs all that are not in the cache."""
    paths = [f"{cache}/llm-compressor/{os.path.basename(source)}-{scheme}-{observer}"
             f"{'' if targets == ['Linear'] else '-part'}.json" for scheme, observer, targets in jobs]
    missing = [(path, *job) for path, job in zip(paths, jobs) if not os.path.exists(path)]
    if missing:
        os.makedirs(f"{cache}/llm-compressor", exist_ok=True)
        done = subprocess.run([sys.executable, __file__, source], input=json.dumps(missing), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout[-4000:]
    return [json.load(open(path)) for path in paths]


def run_peer(source, path, name, observer, targets):
    from llmcompressor import oneshot
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from transformers import AutoModelForCausalLM
    scheme = sized_scheme(name, targets)
    scheme.weights.observer = observer
    model = AutoModelForCausalLM.from_pretrained(source, dtype="auto")
    oneshot(model=model, recipe=QuantizationModifier(config_groups={"group_0": scheme}, ignore=["lm_head"]))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder, save_compressed=True)
        result = {
            "errors": errors(folder, source),
            "config": json.load(open(f"{folder}/config.json"))["quantization_config"],
            "tensors": {k: [str(v.dtype), list(v.shape)] for k, v in tensors(folder).items()},
        }
    with open(f"{path}.part", "w") as f:
        json.dump(result, f)
    os.rename(f"{path}.part", path)


if __name__ == "__main__":
    for job in json.load(sys.stdin):
        run_peer(sys.argv[1], *job)
