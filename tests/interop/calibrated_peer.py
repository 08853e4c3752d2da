#!/usr/bin/env python3
"""llm-compressor's calibrated compression of a local model, one run in one process; prints a JSON line.

    calibrated_peer.py MODEL OUT METHOD SCHEME OBSERVER TEXT [SAMPLES] [TOKENS] [DTYPE]

METHOD is gptq or rtn; SCHEME a preset, with `-N` for groups of N (W4A16-32); OBSERVER the weights', or `default`.
The text is tokenized as one stream without special tokens and cut into samples of TOKENS, as `tersor compress --packing`
cuts it. DTYPE: what the model computes in. "seconds" counts from the loading of the model to the written folder, without
Python's imports.
"""
import json
import resource
import sys
import time

from reference import sized_scheme

IGNORE = ["lm_head"]


def quantization_scheme(name, observer):
    preset, _, group_size = name.partition("-")
    scheme = sized_scheme(preset, ["Linear"], int(group_size or 128))
    if observer != "default":
        scheme.weights.observer = observer
    return scheme


def samples(tokenizer, path, count, tokens):
    with open(path, encoding="utf-8") as text:
        ids = tokenizer(text.read(), add_special_tokens=False)["input_ids"]
    if len(ids) < count * tokens:
        sys.exit(f"{path} has {len(ids)} tokens, {count * tokens} are needed")
    return [ids[i:i + tokens] for i in range(0, count * tokens, tokens)]


def main(model_path, out, method, scheme, observer, text, count="64", tokens="512", dtype="float32"):
    from datasets import Dataset
    from llmcompressor import oneshot
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from transformers import AutoModelForCausalLM, AutoTokenizer
    start = time.monotonic()
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=dtype)
    tokenizer = AutoTokenizer.from_pretrained(model_path)
    ids = samples(tokenizer, text, int(count), int(tokens))
    data = Dataset.from_dict({"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]})
    modifier = {"gptq": GPTQModifier, "rtn": QuantizationModifier}[method]
    oneshot(model=model, processor=tokenizer, dataset=data, num_calibration_samples=int(count), max_seq_length=int(tokens),
            recipe=modifier(config_groups={"group_0": quantization_scheme(scheme, observer)}, ignore=IGNORE))
    model.save_pretrained(out, save_compressed=True)
    tokenizer.save_pretrained(out)
    print(json.dumps({"seconds": time.monotonic() - start,
                      "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    if len(sys.argv) < 7:
        sys.exit(__doc__)
    main(*sys.argv[1:])
