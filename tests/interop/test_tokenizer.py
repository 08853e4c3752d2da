"""Tokens equal to the tokenizers library's, and chat templates' text to transformers', on every family and construct."""
import subprocess
import sys

import pytest

from program import REPO

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
