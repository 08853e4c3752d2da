"""Tokens equal to the tokenizers library's, and chat templates' text to transformers', on every family and construct."""
import functools
import json
import subprocess
import sys

import pytest

import readers
from program import REPO, tersor, tersor_json

TOKENIZER_TESTS = REPO / "tests" / "tokenizer"


def compare(script, tool, *args):
    done = subprocess.run([sys.executable, TOKENIZER_TESTS / script, REPO / "build" / "tests" / tool, *args],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_tokens_of_every_family():
    compare("interop_tokenizer.py", "tokenize_tool", "--megabytes", "1")


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["1", "2"])
def test_tokens_of_every_family_on_megabytes(seed):
    compare("interop_tokenizer.py", "tokenize_tool", "--megabytes", "6", "--seed", seed)


@pytest.mark.parametrize("model", ["tiny", "smollm2"])
def test_tokens_of_real_models(model, source):
    compare("interop_tokenizer.py", "tokenize_tool", "--only", "--megabytes", "6", "--tokenizer", source(model))


def test_chat_templates(source):
    compare("interop_chat.py", "chat_tool", "--templates", source("tiny"), source("smollm2"))


MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Zürich?\n<|im_end|> 中"}]


def test_tokenize_prints_the_ids(source):
    tokenizer = readers.tokenizer(source("smollm2"))
    for text in ("The capital of France is", " Zürich\n\n中😀", "<|im_start|>user"):
        ids = tokenizer(text)["input_ids"]
        assert tersor("tokenize", source("smollm2"), "--prompt", text).stdout == " ".join(map(str, ids)) + "\n"
        report = tersor_json("tokenize", source("smollm2"), "--prompt", text)
        assert report == {"text": text, "ids": ids, "tokens": tokenizer.convert_ids_to_tokens(ids)}
        assert tersor_json("tokenize", source("smollm2"), "--decode", "--prompt", str(ids))["text"] == text


def test_tokenize_applies_the_chat_template(source, tmp_path):
    tokenizer = readers.tokenizer(source("smollm2"))
    (tmp_path / "messages.json").write_text(json.dumps(MESSAGES))
    for messages, flags in ((MESSAGES, ("--text", tmp_path / "messages.json")),
                            ([{"role": "user", "content": "Hi there"}], ("--prompt", "Hi there"))):
        report = tersor_json("tokenize", source("smollm2"), "--chat", *flags)
        render = functools.partial(tokenizer.apply_chat_template, messages, add_generation_prompt=True)
        assert report["text"] == render(tokenize=False)
        assert report["ids"] == render(tokenize=True, return_dict=False)
