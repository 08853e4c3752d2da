"""`tersor eval` against Transformers on the same tokens, both in f32: perplexity, KL divergence, agreement."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

import readers
from program import tersor_json

TOOL = pathlib.Path(os.environ.get("TERSOR_TOOLS", pathlib.Path(__file__).resolve().parents[3] / "shared" / "tools")) / "ppl.py"
WINDOW, WINDOWS = 128, 3


@pytest.fixture(scope="module")
def text(source, tmp_path_factory):
    """A file that SmolLM2's tokenizer cuts into whole windows, since the oracle leaves out a shorter one."""
    whole = readers.TEXT.read_text(encoding="utf-8")
    tokenizer = readers.tokenizer(source("smollm2"))
    end = next(n for n in range(WINDOW * WINDOWS, len(whole))
               if len(tokenizer(whole[:n], add_special_tokens=False)["input_ids"]) == WINDOW * WINDOWS)
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(whole[:end], encoding="utf-8")
    return path


def transformers_figures(base, text, models, *flags):
    """{folder name: {"ppl", "kld", "top1"}} as Transformers computes them."""
    if not TOOL.exists():
        pytest.skip(f"no {TOOL}")
    out = text.with_suffix(".json")
    out.unlink(missing_ok=True)
    done = subprocess.run([sys.executable, TOOL, "--base", base, "--text", text, "--seqlen", str(WINDOW), "--json", out,
                           *flags, "--models", *models], capture_output=True, text=True)
    assert done.returncode == 0 and "FAILED" not in done.stdout, done.stdout + done.stderr
    return {row["model"]: row for row in map(json.loads, out.read_text().splitlines())}


def evaluate(model, text, *flags):
    return tersor_json("eval", model, "--text", text, "--window", WINDOW, "--dtype", "f32", "--quiet", *flags)


@pytest.mark.slow
def test_perplexity_and_divergence(source, compressed, text):
    base = source("smollm2")
    other = compressed("smollm2", "--scheme", "W4A16", "--group-size", 64, "--ignore", "lm_head")
    theirs = transformers_figures(base, text, [other])
    theirs = theirs[pathlib.Path(base).name], theirs[pathlib.Path(other).name]
    ours = evaluate(other, text, "--reference", base)
    assert ours["windows"] == WINDOWS and ours["predicted_tokens"] == WINDOWS * (WINDOW - 1)
    assert evaluate(base, text)["perplexity"] == pytest.approx(theirs[0]["ppl"], rel=5e-5)
    assert ours["reference"]["perplexity"] == pytest.approx(theirs[0]["ppl"], rel=5e-5)
    assert ours["perplexity"] == pytest.approx(theirs[1]["ppl"], rel=5e-5)
    assert ours["reference"]["kl_mean"] == pytest.approx(theirs[1]["kld"], rel=1e-3)
    assert ours["reference"]["kl_p99"] > ours["reference"]["kl_mean"]
    # A tie between the two likeliest tokens may break either way.
    assert ours["reference"]["top1_agreement"] == pytest.approx(theirs[1]["top1"], abs=2 / ours["predicted_tokens"])


@pytest.mark.slow
def test_memory_does_not_change_the_figures(source, text):
    base = source("smollm2")
    free, tight = evaluate(base, text), evaluate(base, text, "--max-memory", "330MB")
    assert tight["perplexity"] == free["perplexity"]
    assert tight["peak_memory"] < 330e6


def test_stride_gives_more_context(source, text):
    base = source("smollm2")
    apart, overlapping = evaluate(base, text), evaluate(base, text, "--stride", WINDOW // 2)
    assert overlapping["predicted_tokens"] == WINDOW * WINDOWS - 1
    assert overlapping["perplexity"] < apart["perplexity"]
