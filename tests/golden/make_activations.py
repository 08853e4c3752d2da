#!/usr/bin/env python3
"""Activations as vLLM quantizes them at run time, and back, by plain torch formulas.

    make_activations.py        (writes activations.safetensors beside itself)

The file holds the activations `x` [rows, columns] and, under each scheme's name, what they stand for after rounding.
"""
import pathlib

import torch

ROWS, COLS = 8, 256
TINY = 2.0 ** -100  # in place of 0: a group of zeros has a scale, too, and stays zero


def int_per_token(x, bits):
    top = 2 ** (bits - 1) - 1
    scale = x.abs().amax(-1, keepdim=True).clamp(min=TINY) / top
    return (x / scale).round().clamp(-top - 1, top) * scale


def fp8(x):
    return x.clamp(-448, 448).to(torch.float8_e4m3fn).to(x.dtype)


def fp8_per_group(x, size):
    groups = x.unflatten(-1, (-1, size))
    scale = groups.abs().amax(-1, keepdim=True).clamp(min=TINY) / 448
    return (fp8(groups / scale) * scale).flatten(-2)


def mxfp8(x):
    groups = x.unflatten(-1, (-1, 32))
    scale = torch.exp2(torch.ceil(torch.log2(groups.abs().amax(-1, keepdim=True).clamp(min=TINY) / 448)))
    return (fp8(groups / scale) * scale).flatten(-2)


def mxfp4(x):
    groups = x.unflatten(-1, (-1, 32))
    top = groups.abs().amax(-1, keepdim=True).clamp(min=TINY)
    # The mantissa is rounded to one bit: from 1.75 on the next power of two counts.
    exponent = torch.floor(torch.log2(top))
    exponent += top / torch.exp2(exponent) >= 1.75
    scale = torch.exp2(exponent - 2)
    values = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6], dtype=x.dtype)
    q = (groups / scale).clamp(-6, 6)
    # Ties go to the code that is even: 0, 1, 2, 4 have even codes.
    distance = (q.abs().unsqueeze(-1) - values).abs().double() + torch.tensor([0, 1, 0, 1, 0, 1, 0, 1]) * 1e-9
    return (values[distance.argmin(-1)] * q.sign() * scale).flatten(-2)


SCHEMES = {
    "int8": lambda x: int_per_token(x, 8),
    "int4": lambda x: int_per_token(x, 4),
    "fp8_token": lambda x: fp8_per_group(x, COLS),
    "fp8_group": lambda x: fp8_per_group(x, 128),
    "mxfp8": mxfp8,
    "mxfp4": mxfp4,
}


def activations():
    """Rows of all sizes, outliers, ties between two codes, a row and a group of zeros."""
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(ROWS, COLS, generator=generator) * torch.exp2(torch.randint(-20, 12, (ROWS, 1), generator=generator))
    x[1, 7] *= 300
    x[2] = 0
    x[3, 128:160] = 0
    x[4] = torch.arange(COLS) / 2 - 63.5
    x[5] = torch.exp2(torch.randint(-12, 12, (COLS,), generator=generator).float()) * 1.75
    x[6] = x[6].abs()
    return x


if __name__ == "__main__":
    from safetensors.torch import save_file
    x = activations()
    tensors = {"x": x} | {name: formula(x).contiguous() for name, formula in SCHEMES.items()}
    save_file(tensors, pathlib.Path(__file__).parent / "activations.safetensors", metadata={"format": "pt"})
