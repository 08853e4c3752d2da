#!/usr/bin/env python3
"""Make the golden files: small weights as compressed-tensors 0.19 compresses them.

    make_golden.py        (writes golden.safetensors and golden.json beside itself)

golden.json is a `quantization_config`; each of its groups has one target, `<dtype>.<case>`. golden.safetensors holds
the source weights as `<dtype>.weight` and, per target, the stored tensors and the CRC-32 of the weight dequantized to
f32. Scales, zero points and global scales are those of the weight's own dtype; codes are the nearest ones: quantized
with the weight and the scale widened to f32, as the program does (the reference divides in bf16 for bf16 weights).
"""
import json
import pathlib
import zlib

import torch
from compressed_tensors.compressors.base import BaseCompressor
from compressed_tensors.compressors.nvfp4.helpers import unpack_fp4_from_uint8
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from compressed_tensors.quantization.lifecycle.forward import dequantize
from compressed_tensors.quantization.utils import (
    calculate_qparams,
    generate_gparam,
    maybe_pad_tensor_for_block_quant,
)
from safetensors.torch import save_file

ROWS, COLS = 40, 192
DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}

INT = {"type": "int"}
FP8 = {"type": "float", "num_bits": 8}
NVFP4 = {"type": "float", "num_bits": 4, "strategy": "tensor_group", "group_size": 16,
         "scale_dtype": "torch.float8_e4m3fn"}
MX = {"type": "float", "strategy": "group", "group_size": 32, "scale_dtype": "torch.uint8"}
ASYM = {"symmetric": False}


def group(size):
    return {"strategy": "group", "group_size": size}


def block(rows, cols):
    return {"strategy": "block", "block_structure": [rows, cols]}


CHANNEL = {"strategy": "channel"}
TENSOR = {"strategy": "tensor"}

# case: (format, weight arguments, dtypes). Blocks do not divide the weight: their edges are ragged.
CASES = {
    "int4_group": ("pack-quantized", INT | {"num_bits": 4} | group(64), ["bf16"]),
    "int4_group_asym": ("pack-quantized", INT | {"num_bits": 4} | group(64) | ASYM, ["bf16", "f16", "f32"]),
    "int4_channel_asym": ("pack-quantized", INT | {"num_bits": 4} | CHANNEL | ASYM, ["bf16"]),
    "int3_group_asym": ("pack-quantized", INT | {"num_bits": 3} | group(32) | ASYM, ["bf16"]),
    "int8_tensor_asym": ("pack-quantized", INT | {"num_bits": 8} | TENSOR | ASYM, ["bf16"]),
    "int8_channel": ("int-quantized", INT | {"num_bits": 8} | CHANNEL, ["bf16", "f32"]),
    "int8_block_asym": ("int-quantized", INT | {"num_bits": 8} | block(16, 80) | ASYM, ["bf16"]),
    "fp8_tensor": ("float-quantized", FP8 | TENSOR, ["bf16"]),
    "fp8_channel": ("float-quantized", FP8 | CHANNEL, ["bf16", "f32"]),
    "fp8_block": ("naive-quantized", FP8 | block(16, 80), ["bf16", "f16", "f32"]),
    "nvfp4": ("nvfp4-pack-quantized", NVFP4, ["bf16", "f32"]),
    "mxfp4": ("mxfp4-pack-quantized", MX | {"num_bits": 4}, ["bf16", "f32"]),
    "mxfp8": ("mxfp8-quantized", MX | {"num_bits": 8}, ["bf16"]),
}


def source_weight():
    """Rows of different size, one-sided rows, zeros of both signs, a row and a block of zeros."""
    generator = torch.Generator().manual_seed(20)
    weight = torch.randn(ROWS, COLS, generator=generator) * 0.02
    weight *= torch.exp(torch.randn(ROWS, 1, generator=generator))
    weight[3] = weight[3].abs()
    weight[4] = -weight[4].abs()
    weight[5] = 0
    weight[16:32, 80:160] = 0
    weight[16:32, 100:110] = -0.0
    weight[7, ::5] *= -0.0
    weight[8, 17] = 1.5
    weight[9] *= 1e-3
    return weight


def ranges(weight, args):
    """Smallest and largest element under each scale, shaped as the scales."""
    if args.strategy == "tensor":
        grouped = weight.reshape(1, -1)
    elif args.strategy == "channel":
        grouped = weight.unsqueeze(1)
    elif args.strategy == "block":
        height, width = args.block_structure
        padded = maybe_pad_tensor_for_block_quant(weight, (height, width))
        rows, cols = padded.shape[0] // height, padded.shape[1] // width
        grouped = padded.reshape(rows, height, cols, width).transpose(1, 2).flatten(-2)
    else:
        grouped = weight.unflatten(-1, (-1, args.group_size))
    return grouped.amin(-1), grouped.amax(-1)


def compress(weight, scheme):
    args = scheme.weights
    low, high = ranges(weight, args)
    tensors = {"weight": weight.float()}
    global_scale = None
    if args.strategy == "tensor_group":
        global_scale = generate_gparam(low.min().reshape(1), high.max().reshape(1))
        tensors["weight_global_scale"] = global_scale
    scale, zero_point = calculate_qparams(low, high, args, global_scale=global_scale)
    tensors |= {"weight_scale": scale.float(), "weight_zero_point": zero_point}
    stored = BaseCompressor.get_value_from_registry(scheme.format).compress(tensors, scheme)
    if args.scale_dtype is None:
        stored["weight_scale"] = scale
    return stored, scale.float()


def restore(stored, scale, scheme):
    """The dequantized weight in f32."""
    args = scheme.weights
    if args.num_bits == 4 and args.type == "float":
        codes = unpack_fp4_from_uint8(stored["weight_packed"], ROWS, COLS, dtype=torch.float32)
        return dequantize(codes, scale, args=args, global_scale=stored.get("weight_global_scale"))
    tensors = dict(stored)
    if args.scale_dtype is None:
        tensors["weight_scale"] = scale
    return BaseCompressor.get_value_from_registry(scheme.format).decompress(tensors, scheme)["weight"].float()


def main():
    source = source_weight()
    tensors = {f"{name}.weight": source.to(dtype) for name, dtype in DTYPES.items()}
    groups = {}
    for case, (format_name, weights, dtypes) in CASES.items():
        for name in dtypes:
            target = f"{name}.{case}"
            scheme = QuantizationScheme(targets=[target], weights=QuantizationArgs(**weights), format=format_name)
            stored, scale = compress(tensors[f"{name}.weight"], scheme)
            values = restore(stored, scale, scheme).contiguous()
            stored["crc32"] = torch.tensor([zlib.crc32(values.numpy().tobytes())])
            tensors |= {f"{target}.{suffix}": t.contiguous().clone() for suffix, t in stored.items()}
            groups[target] = scheme.model_dump(mode="json")
    here = pathlib.Path(__file__).parent
    save_file(tensors, here / "golden.safetensors", metadata={"format": "pt"})
    config = {"config_groups": groups, "format": "mixed-precision", "ignore": [], "quant_method": "compressed-tensors",
              "quantization_status": "compressed", "version": "0.19.0"}
    (here / "golden.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
