#!/usr/bin/env python3
"""Perplexity of checkpoints on heldout.txt, through Transformers in float32.

    python3 models/tiny/perplexity.py FOLDER...           each folder, dense or compressed
    python3 models/tiny/perplexity.py --round 8 4 3 2     models/tiny with its linears rounded to so many bits

--round is symmetric rounding to nearest with groups of 128, scale = max |w| / (2^bits - 1) · 2. The text is one stream
of tokens without special tokens, cut into windows of 512; a number is exp of the mean loss per token.
"""
import argparse
import math
import os

HERE = os.path.dirname(os.path.abspath(__file__))
WINDOW = 512


def load(folder):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, CompressedTensorsConfig
    more = {}
    if hasattr(AutoConfig.from_pretrained(folder), "quantization_config"):
        more["quantization_config"] = CompressedTensorsConfig(dequantize=True)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **more).eval()


def round_linears(model, bits, group=128):
    import torch
    low, high = -2 ** (bits - 1), 2 ** (bits - 1) - 1
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            w = module.weight.data.unflatten(1, (-1, group))
            scale = (w.abs().amax(-1, keepdim=True) * 2 / (high - low)).bfloat16().float()
            module.weight.data = ((w / scale).round().clamp(low, high) * scale).flatten(1)
    return model


def perplexity(model, ids):
    import torch
    rows = torch.tensor([ids[i:i + WINDOW] for i in range(0, len(ids) - WINDOW + 1, WINDOW)])
    with torch.inference_mode():
        logits = torch.cat([model(input_ids=r).logits[:, :-1].float() for r in rows.split(4)])
        return math.exp(torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", default=[HERE])
    parser.add_argument("--round", nargs="*", type=int, default=[], metavar="BITS")
    args = parser.parse_args()

    from transformers import AutoTokenizer, logging
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    text = open(f"{HERE}/heldout.txt", encoding="utf-8").read()
    ids = AutoTokenizer.from_pretrained(HERE)(text, add_special_tokens=False)["input_ids"]
    for folder in args.folders:
        print(f"{perplexity(load(folder), ids):8.2f}  {os.path.relpath(folder)}")
    for bits in args.round:
        print(f"{perplexity(round_linears(load(HERE), bits), ids):8.2f}  rounded to {bits} bits")


if __name__ == "__main__":
    main()
