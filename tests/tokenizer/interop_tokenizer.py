#!/usr/bin/env python3
"""Compare tokenize_tool with the tokenizers library, token for token, on megabytes of text.

    interop_tokenizer.py TOOL [--megabytes 6] [--text FILE...] [--tokenizer FILE_OR_FOLDER...] [--only FAMILY...]

Needs the Python package tokenizers; with sentencepiece also its own character map. Families of families.py, and any
tokenizer.json given, are compared on the samples, random Unicode, shuffled samples, and the given text files.
"""
import argparse
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unicodedata

from tokenizers import Tokenizer

import corpus
import families


# Families whose split pattern goes through PCRE2, which may not know the characters of newer Unicode versions.
PCRE2_FAMILIES = {"bloom", "clip"}


def without_unassigned(text):
    return "".join(c for c in text if unicodedata.category(c) != "Cn")


def sentencepiece_charsmap():
    """The character map nmt_nfkc that T5 and XLM-R carry, out of a model trained on nothing; None without the package."""
    try:
        import io
        import sentencepiece
    except ImportError:
        return None

    def field(message, number):
        """The first field of that number with a length, in a protobuf message."""
        at = 0

        def varint():
            nonlocal at
            value = shift = 0
            while True:
                byte = message[at]
                at += 1
                value |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    return value

        while at < len(message):
            key = varint()
            if key & 7 == 2:
                size = varint()
                if key >> 3 == number:
                    return message[at:at + size]
                at += size
            elif key & 7 == 5:
                at += 4
            else:
                varint()
        return None

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d e f g"] * 10), model_writer=out, vocab_size=12, hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc", minloglevel=2)
    return field(field(out.getvalue(), 3), 2)  # ModelProto.normalizer_spec.precompiled_charsmap


def pack(docs):
    return b"".join(struct.pack("<I", len(d)) + d for d in (x.encode() for x in docs))


def unpack(data, decode):
    at, out = 0, []
    while at < len(data):
        (n,) = struct.unpack_from("<I", data, at)
        ids = list(struct.unpack_from(f"<{n}i", data, at + 4))
        at += 4 + 4 * n
        text = None
        if decode:
            (size,) = struct.unpack_from("<I", data, at)
            text = data[at + 4:at + 4 + size].decode()
            at += 4 + size
        out.append((ids, text))
    return out


def run_tool(tool, folder, tokenizer_file, docs, *flags):
    docs_file, out_file = folder / "docs", folder / "out"
    docs_file.write_bytes(pack(docs))
    subprocess.run([tool, str(tokenizer_file), str(docs_file), str(out_file), *flags], check=True)
    return unpack(out_file.read_bytes(), "--decode" in flags)


def compare(name, tool, folder, tokenizer, docs, decode_docs):
    """How many documents differ; prints the first few."""
    file = folder / "tokenizer.json"
    file.write_text(tokenizer.to_str())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    wrong = 0
    for flags, texts in ((["--plain"], docs), (["--decode"], decode_docs)):
        ours = run_tool(tool, folder, file, texts, *flags)
        assert len(ours) == len(texts), f"{name}: {len(ours)} answers for {len(texts)} documents"
        for text, (ids, decoded) in zip(texts, ours):
            expected = tokenizer.encode(text, add_special_tokens="--plain" not in flags).ids
            same = ids == expected
            if same and "--decode" in flags:
                want = tokenizer.decode(expected, skip_special_tokens=False)
                same = decoded == want
                if not same:
                    print(f"{name}: decoded {decoded!r}\n     expected {want!r}")
            elif not same:
                at = next((i for i, (a, b) in enumerate(zip(ids, expected)) if a != b), min(len(ids), len(expected)))
                lo = max(0, at - 3)
                print(f"{name}: differ at token {at} of {text[:60]!r}…\n  ours {[tokenizer.id_to_token(i) for i in ids[lo:at + 5]]}\n"
                      f"  want {[tokenizer.id_to_token(i) for i in expected[lo:at + 5]]}")
            wrong += not same
            if wrong >= 5:
                return wrong
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool")
    parser.add_argument("--megabytes", type=float, default=6)
    parser.add_argument("--vocab", type=int, default=4000)
    parser.add_argument("--text", nargs="*", default=[])
    parser.add_argument("--tokenizer", nargs="*", default=[])
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    docs, rng, size = list(corpus.SAMPLES), random.Random(args.seed), 0
    for name in args.text:
        text = pathlib.Path(name).read_text(errors="replace")
        docs += [text[i:i + 4000] for i in range(0, len(text), 4000)]
    while size < args.megabytes * 1e6:
        doc = (corpus.random_text(rng, rng.randint(1, 3000)) if rng.random() < 0.5
               else corpus.shuffled_text(rng, rng.randint(1, 500)))
        docs.append(doc)
        size += len(doc.encode())
    total = sum(len(d.encode()) for d in docs)
    decode_docs = corpus.SAMPLES + docs[-400:]

    todo = {}
    if args.only != []:
        todo = families.build(corpus.training_text(args.seed), args.vocab, sentencepiece_charsmap())
        if args.only:
            todo = {k: v for k, v in todo.items() if k in args.only}
    for path in args.tokenizer:
        path = pathlib.Path(path)
        todo[str(path)] = Tokenizer.from_file(str(path / "tokenizer.json" if path.is_dir() else path))

    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, tokenizer in todo.items():
            texts = [docs, decode_docs]
            if name in PCRE2_FAMILIES:
                texts = [[without_unassigned(d) for d in part] for part in texts]
            wrong = compare(name, args.tool, pathlib.Path(folder), tokenizer, *texts)
            print(f"{name:12} {total / 1e6:.1f} MB in {len(docs)} documents: {'equal' if not wrong else 'DIFFERENT'}")
            failed += wrong > 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
