#!/usr/bin/env python3
"""Transformers' speed on the CPU, for comparison with model_speed: prefill and greedy decoding in tokens per second.

    transformers_speed.py MODEL {bfloat16,float32} [TOKENS] [THREADS] [SEQUENCES]

Prefill is a batch of prompts, with keys and values kept and the logits of the last position, as generation reads them.
"""
import os
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import torch  # noqa: E402
from transformers import AutoModelForCausalLM, logging  # noqa: E402


def seconds(f):
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def main(folder, dtype, tokens=2048, threads=2, sequences=8):
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(int(threads))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    ids = torch.randint(0, model.config.vocab_size, (int(sequences), int(tokens)), generator=torch.Generator().manual_seed(2))
    prompt = ids[:1, :64]

    def decode(count):
        model.generate(prompt, attention_mask=torch.ones_like(prompt), min_new_tokens=count, max_new_tokens=count,
                       do_sample=False, pad_token_id=0)

    with torch.inference_mode():
        prefill = min(seconds(lambda: model(input_ids=ids, use_cache=True, logits_to_keep=1)) for _ in range(3))
        decode(4)
        few, many = seconds(lambda: decode(2)), seconds(lambda: decode(34))
    print(f"transformers {dtype}: prefill {ids.numel() / prefill:.0f} tokens/s, decode {32 / (many - few):.1f} tokens/s")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
