#!/usr/bin/env python3
"""Write the golden files of tokenizer_test: small tokenizers, and what the tokenizers library makes of some texts.

    make_golden.py OUT_FOLDER          needs the Python package tokenizers; the files say which version made them

golden/<family>.json is a tokenizer.json; golden/cases.json holds the texts, and for every family and text the ids with
and without special tokens and the decoded text (null where it is the text itself) with and without special tokens.
"""
import json
import pathlib
import random
import sys

import tokenizers

import corpus
import families

VOCAB = 340
MAX_SAMPLE = 44  # characters: golden files stay small; interop_tokenizer.py reads megabytes


def texts():
    rng = random.Random(3)
    return [s[:MAX_SAMPLE] for s in corpus.SAMPLES] + [corpus.random_text(rng, 40) for _ in range(5)]


def dump(path, data):
    path.write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n")


def main(out):
    out = pathlib.Path(out)
    docs = texts()
    cases = {"made_with": f"tokenizers {tokenizers.__version__}", "texts": docs, "families": {}}
    for name, t in families.build(corpus.training_text(1), VOCAB).items():
        dump(out / f"{name}.json", json.loads(t.to_str()))
        answers = []
        for text in docs:
            full, plain = t.encode(text).ids, t.encode(text, add_special_tokens=False).ids
            decoded = [t.decode(full, skip_special_tokens=skip) for skip in (False, True)]
            answers.append([full, None if plain == full else plain] + [None if d == text else d for d in decoded])
        cases["families"][name] = answers
    dump(out / "cases.json", cases)


if __name__ == "__main__":
    main(sys.argv[1])
