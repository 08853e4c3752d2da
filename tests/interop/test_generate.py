"""`tersor generate` against Transformers, both in f32: the likeliest token each time, token for token."""
import functools

import pytest

import readers
from program import tersor, tersor_json

TOKENS = 100
PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a village by the sea,",
    "def fibonacci(n):\n",
    "Der schnelle braune Fuchs",
    "1, 2, 3, 5, 8,",
    readers.PROMPT,
]


@functools.cache
def model(folder):
    import torch
    from transformers import AutoModelForCausalLM
    readers.quiet()
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def greedy(folder, prompt):
    ids = readers.tokenizer(folder)(prompt, return_tensors="pt")
    out = model(folder).generate(**ids, max_new_tokens=TOKENS, do_sample=False)
    return ids["input_ids"][0].tolist(), out[0, ids["input_ids"].shape[1]:].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("prompt", PROMPTS)
def test_greedy(prompt, source):
    folder = source("smollm2")
    prompt_ids, ids = greedy(folder, prompt)
    ours = tersor_json("generate", folder, "--prompt", prompt, "--max-new-tokens", TOKENS, "--dtype", "f32")
    assert ours["prompt_ids"] == prompt_ids
    assert ours["ids"] == ids
    assert ours["text"] == readers.tokenizer(folder).decode(ids, skip_special_tokens=True)
    assert ours["finish_reason"] == ("eos" if len(ids) < TOKENS else "length")


def test_streams_the_text_alone(source):
    run = ("generate", source("tiny"), "--prompt", "Once", "--max-new-tokens", 12)
    assert tersor(*run).stdout == tersor_json(*run)["text"] + "\n"


def test_stops_before_a_text(source):
    run = ("generate", source("tiny"), "--prompt", "Once", "--max-new-tokens", 40)
    text = tersor_json(*run)["text"]
    stop = text[10:13]
    stopped = tersor_json(*run, "--stop", "no such text", "--stop", stop)
    assert stopped["finish_reason"] == "stop"
    assert stopped["text"] == text[:text.index(stop)]


def test_seed_decides(source):
    run = ("generate", source("tiny"), "--prompt", "Once", "--temperature", 1.5, "--top-p", 0.9, "--seed")
    assert tersor_json(*run, 1)["ids"] == tersor_json(*run, 1)["ids"] != tersor_json(*run, 2)["ids"]


@pytest.mark.slow
def test_chat(source):
    import torch
    folder, question = source("smollm2"), "What is the capital of France?"
    ids = readers.tokenizer(folder).apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True,
                                                        return_tensors="pt", return_dict=True)["input_ids"]
    with torch.inference_mode():
        out = model(folder).generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False)
    ours = tersor_json("generate", folder, "--chat", "--prompt", question, "--max-new-tokens", 20, "--dtype", "f32")
    assert ours["prompt_ids"] == ids[0].tolist()
    assert ours["ids"] == out[0, ids.shape[1]:].tolist()
