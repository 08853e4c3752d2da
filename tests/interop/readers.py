"""Checkpoints as users read them: Transformers in this process, vLLM in its own."""
import functools
import json
import os
import pathlib
import subprocess
import tempfile

# SmolLM2's chat form. It answers "The capital of France is Paris." and no second choice comes near on any token, so
# that the small changes of an 8-bit scheme cannot turn it.
PROMPT = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
TOKENS = 20
TEXT = pathlib.Path(__file__).resolve().parents[2] / "models" / "tiny" / "heldout.txt"


def quiet():
    from loguru import logger
    from transformers import logging
    logger.remove()  # compressed-tensors logs a line per layer
    logging.set_verbosity_error()
    logging.disable_progress_bar()


@functools.cache
def tokenizer(folder):
    from transformers import AutoTokenizer
    return AutoTokenizer.from_pretrained(folder)


def load(folder, kind="AutoModelForCausalLM"):
    """The model; a tensor that is missing, not wanted, or of another shape is an error, not a warning."""
    import torch
    import transformers
    quiet()
    model, info = getattr(transformers, kind).from_pretrained(folder, dtype=torch.bfloat16, output_loading_info=True)
    wrong = {k: sorted(v)[:5] for k, v in info.items() if v}
    assert not wrong, f"{folder}: {wrong}"
    return model.eval()


def greedy(model, folder):
    """What Transformers generates after PROMPT, taking the likeliest token each time."""
    ids = tokenizer(folder)(PROMPT, return_tensors="pt")
    out = model.generate(**ids, max_new_tokens=TOKENS, do_sample=False)
    return tokenizer(folder).decode(out[0, ids["input_ids"].shape[1]:], skip_special_tokens=True)


def loss(model, folder):
    """Mean loss per token on the first 500 tokens of a text."""
    import torch
    text = TEXT.read_text(encoding="utf-8")[:5000]
    ids = tokenizer(folder)(text, return_tensors="pt", add_special_tokens=False)["input_ids"][:, :500]
    with torch.inference_mode():
        logits = model(input_ids=ids).logits[0, :-1].float()
    return torch.nn.functional.cross_entropy(logits, ids[0, 1:]).item()


# ---- vLLM ---------------------------------------------------------------------------------------------------------

def vllm_paths():
    oracles = pathlib.Path(os.environ.get("TERSOR_ORACLES", pathlib.Path.home() / ".cache" / "tersor-oracles"))
    tools = pathlib.Path(os.environ.get("TERSOR_TOOLS", pathlib.Path(__file__).resolve().parents[3] / "shared" / "tools"))
    return oracles / "vllm" / "bin" / "python", tools / "vllm_load.py"


def why_no_vllm():
    missing = [str(p) for p in vllm_paths() if not p.exists()]
    return f"vLLM was not asked: no {' and no '.join(missing)}" if missing else None


def vllm_answers(folders, dtype):
    """{folder: {"ok", "text", "error", …}} from one vLLM process; a missing tensor is an error there too."""
    python, script = vllm_paths()
    with tempfile.NamedTemporaryFile("w+") as log:
        done = subprocess.run([python, script, "--prompt", PROMPT, "--tokens", str(TOKENS), "--dtype", dtype, *folders],
                              stdout=subprocess.PIPE, stderr=log, text=True)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        if len(answers) != len(folders):
            log.seek(0)
            raise RuntimeError(f"vLLM answered for {len(answers)} of {len(folders)} folders:\n{log.read()[-4000:]}")
    return dict(zip(folders, answers))
