"""Calibration samples equal to what Transformers' tokenizer gives for the same data, cut and shuffled in Python."""
import json
import subprocess

import numpy as np
import pytest

import readers
from program import REPO

TOOL = REPO / "build" / "tests" / "calibration_tool"
CHATS = [
    [{"role": "user", "content": "How far is it from London to Bath?"},
     {"role": "assistant", "content": "About 185 kilometres, or 115 miles."}],
    [{"role": "system", "content": "Answer in one word."}, {"role": "user", "content": "Zürich or 北京 😀?"},
     {"role": "assistant", "content": "Both"}, {"role": "user", "content": "Indeed, so be it <|im_end|> then"}],
]
TEXTS = [f"{n}. The carriage came round at {n} o'clock, " + "and nobody was ready; " * (n % 9) for n in range(60)]


def samples(model, expect_error=False, **request):
    done = subprocess.run([TOOL, model, json.dumps(request, default=str)], capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert ("error" in answer) == expect_error, answer
    return answer["error"] if expect_error else answer["samples"]


def jsonl(path, records, **options):
    path.write_text("".join(json.dumps(r, **options) + "\n" for r in records), encoding="utf-8")
    return path


def shuffled(count, seed):
    """Fisher and Yates' shuffle driven by SplitMix64."""
    mask, state = (1 << 64) - 1, seed

    def draw(bound):
        nonlocal state
        while True:
            state = z = (state + 0x9E3779B97F4A7C15) & mask
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
            z ^= z >> 31
            if z < (1 << 64) - (1 << 64) % bound:
                return z % bound

    order = list(range(count))
    for i in range(count - 1, 0, -1):
        j = draw(i + 1)
        order[i], order[j] = order[j], order[i]
    return order


def packed(documents, before, length):
    """Documents one after the other; `before` at the start of samples that begin inside a document."""
    out, sample = [], []
    for ids in documents:
        for at, token in enumerate(ids):
            if not sample and at > 0:
                sample = list(before)
            sample.append(token)
            if len(sample) == length:
                out.append(sample)
                sample = []
    return out


@pytest.fixture(params=["tiny", "smollm2"])
def model(request, source):
    return source(request.param)


@pytest.mark.parametrize("escape", [True, False])
def test_messages_are_tokenized_through_the_chat_template(model, tmp_path, escape):
    tokenizer = readers.tokenizer(model)
    data = jsonl(tmp_path / "chat.jsonl", [{"id": i, "messages": m} for i, m in enumerate(CHATS)], ensure_ascii=escape)
    expected = [tokenizer.apply_chat_template(m, tokenize=True, return_dict=False) for m in CHATS]
    assert samples(model, dataset=data) == expected
    assert samples(model, dataset=data, max_seq_length=12) == [ids[:12] for ids in expected]


@pytest.mark.parametrize("length", [10, 40, 2048])
def test_texts_are_cut_as_the_tokenizer_truncates_them(model, tmp_path, length):
    tokenizer = readers.tokenizer(model)
    data = jsonl(tmp_path / "texts.jsonl", [{"body": t} for t in TEXTS])
    expected = [tokenizer(t, truncation=True, max_length=length)["input_ids"] for t in TEXTS]
    assert samples(model, dataset=data, text_column="body", max_seq_length=length) == expected


def test_shuffled_documents(model, tmp_path):
    tokenizer = readers.tokenizer(model)
    data = jsonl(tmp_path / "texts.jsonl", [{"text": t} for t in TEXTS])
    for seed in (0, 1, 2**64 - 1):
        expected = [tokenizer(TEXTS[i])["input_ids"] for i in shuffled(len(TEXTS), seed)[:20]]
        assert samples(model, dataset=data, samples=20, shuffle=True, seed=seed) == expected


def test_packed_text_files(model, tmp_path):
    tokenizer = readers.tokenizer(model)
    folder = tmp_path / "texts"
    folder.mkdir()
    for i, text in enumerate(TEXTS):
        (folder / f"{i:03}.txt").write_text(text)
    before = tokenizer("")["input_ids"]
    expected = packed([tokenizer(t)["input_ids"] for t in TEXTS], before, 64)
    assert samples(model, dataset=folder, max_seq_length=64, samples=1000) == expected
    assert samples(model, dataset=folder, max_seq_length=64, samples=5) == expected[:5]


def test_a_long_text_is_read_only_as_far_as_needed_with_the_same_tokens(model):
    tokenizer = readers.tokenizer(model)
    text = (REPO / "models" / "tiny" / "heldout.txt").read_text()
    expected = packed([tokenizer(text)["input_ids"]], tokenizer("")["input_ids"], 32)
    assert samples(model, dataset=REPO / "models" / "tiny" / "heldout.txt", max_seq_length=32, samples=4) == expected[:4]


def test_the_built_in_text(model):
    tokenizer = readers.tokenizer(model)
    documents = (REPO / "data" / "calibration" / "builtin.txt").read_text(encoding="utf-8").split("\n\f\n")
    expected = packed((tokenizer(d)["input_ids"] for d in documents[:40]), tokenizer("")["input_ids"], 256)
    assert samples(model, max_seq_length=256, samples=64) == expected[:64]


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "uint32", "int64"])
def test_arrays_that_numpy_wrote(source, tmp_path, dtype):
    ids = np.random.default_rng(0).integers(0, 1536, (6, 50)).astype(dtype)
    np.save(tmp_path / "rows.npy", ids)
    np.save(tmp_path / "stream.npy", ids.reshape(-1))
    np.save(tmp_path / "columns.npy", np.asfortranarray(ids))
    assert samples(source("tiny"), dataset=tmp_path / "rows.npy", max_seq_length=32) == ids[:, :32].tolist()
    stream = ids.reshape(-1)[:300 // 32 * 32 + 12]
    assert samples(source("tiny"), dataset=tmp_path / "stream.npy", max_seq_length=32) == [
        stream[i:i + 32].tolist() for i in range(0, len(stream), 32)]
    assert "column by column" in samples(source("tiny"), True, dataset=tmp_path / "columns.npy")


def test_safetensors_that_python_wrote(source, tmp_path):
    from safetensors.numpy import save_file
    ids = np.arange(60, dtype="int64").reshape(4, 15)
    mask = np.ones_like(ids)
    mask[1, :5] = 0  # padding on the left
    mask[2, 9:] = 0  # and on the right
    save_file({"input_ids": ids, "attention_mask": mask}, tmp_path / "a.safetensors")
    expected = [row[m == 1].tolist() for row, m in zip(ids, mask)]
    assert samples(source("tiny"), dataset=tmp_path / "a.safetensors") == expected


def test_parquet_is_read_or_refused_with_a_way_out(source, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": TEXTS})
    frame.to_parquet(tmp_path / "a.parquet")
    done = subprocess.run([TOOL, source("tiny"), json.dumps({"dataset": str(tmp_path / "a.parquet")})],
                          capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    if "error" in answer:
        assert "reads no Parquet files" in answer["error"] and "to_json" in answer["help"]
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    expected = samples(source("tiny"), dataset=tmp_path / "a.jsonl")
    assert answer.get("samples", expected) == expected
