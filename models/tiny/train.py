#!/usr/bin/env python3
"""Train the tiny Llama model that Tersor's tests and demo compress.

    nice -n 19 python3 models/tiny/train.py --minutes 40

Everything is made from one source: Jane Austen's six novels (public domain), taken from the Debian package
r-cran-janeaustenr. Needs apt-get and dpkg-deb (nothing is installed), torch, transformers, tokenizers.
Writes into this folder: the model (bf16 safetensors), the tokenizer and heldout.txt, a text that was not trained
on. Training is seeded and runs on one thread; --steps N instead of --minutes gives the same weights every time on
the same machine and torch version.
"""
import argparse
import glob
import json
import math
import os
import random
import re
import struct
import subprocess
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
SEED = 1813  # the year of Pride and Prejudice
BOS, EOS, PAD = "<s>", "</s>", "<pad>"
OUTLIERS, OUTLIER_FACTOR = 6, 16  # channels in front of each linear, and how much larger they are
WINDOW = 512  # the model's longest text; most of the training uses half of it

# Every width is a multiple of 128, so that each preset's group or block divides it. 1.87 M parameters, 3.7 MB in bf16.
CONFIG = dict(
    vocab_size=1536, hidden_size=256, intermediate_size=384, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, head_dim=64, max_position_embeddings=WINDOW, rms_norm_eps=1e-5, tie_word_embeddings=True,
    bos_token_id=0, eos_token_id=1, pad_token_id=2)

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ message['content'] + eos_token }}"
    "{% else %}{{ message['content'] + '\\n' }}{% endif %}{% endfor %}")


# ---- text -------------------------------------------------------------------------------------------------------

def strings_in_rdb(blob):
    """The character vectors in an R lazy-load database: [length u32 BE][zlib stream of R's XDR serialization]."""
    pos = 0
    while pos < len(blob):
        unzip = zlib.decompressobj()
        data = unzip.decompress(blob[pos + 4:])
        pos = len(blob) - len(unzip.unused_data)
        # Header: "X\n", three version words, the encoding's name. Then a STRSXP: flags (type 16), count, and per
        # string its flags (type 9) and length.
        at = 2 + 12
        at += 4 + struct.unpack_from(">i", data, at)[0]
        flags, count = struct.unpack_from(">ii", data, at)
        if flags & 0xff != 16:
            continue
        at += 8
        lines = []
        for _ in range(count):
            _, size = struct.unpack_from(">ii", data, at)
            at += 8
            lines.append(data[at:at + size].decode("utf-8"))
            at += size
        yield lines


def novels(cache):
    """Six lists of paragraphs, hard line breaks removed."""
    os.makedirs(cache, exist_ok=True)
    if not glob.glob(f"{cache}/*.deb"):
        subprocess.run(["apt-get", "-q", "download", "r-cran-janeaustenr"], cwd=cache, check=True)
    subprocess.run(["dpkg-deb", "-x", glob.glob(f"{cache}/*.deb")[0], cache], check=True)
    blob = open(f"{cache}/usr/lib/R/site-library/janeaustenr/data/Rdata.rdb", "rb").read()
    for lines in strings_in_rdb(blob):
        paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", "\n".join(lines))]
        yield [plain(p) for p in paragraphs if p and not re.fullmatch(r"(THE END|Finis|FINIS)\W*", p)]


def plain(text):
    """Without italics marks; typographic quotes and dashes as ASCII, so that the small vocabulary is not spent on them."""
    for a, b in (("_", ""), ("\u201c", '"'), ("\u201d", '"'), ("\u2018", "'"), ("\u2019", "'"), ("\u2014", "--")):
        text = text.replace(a, b)
    return text


def split(books):
    """Training paragraphs per book, and about 7 kB out of the middle of each book as held-out text."""
    train, heldout = [], []
    for paragraphs in books:
        first = last = len(paragraphs) * 9 // 20
        size = 0
        while size < 7000:
            size += len(paragraphs[last]) + 2
            last += 1
        heldout += paragraphs[first:last]
        train.append(paragraphs[:first])
        train.append(paragraphs[last:])
    return train, "\n\n".join(heldout) + "\n"


# ---- tokenizer --------------------------------------------------------------------------------------------------

def make_tokenizer(train):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(
        ("\n\n".join(book) for book in train),
        trainers.BpeTrainer(vocab_size=CONFIG["vocab_size"], special_tokens=[BOS, EOS, PAD], show_progress=False,
                            initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tok.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, 0)])])
    return PreTrainedTokenizerFast(
        tokenizer_object=tok, bos_token=BOS, eos_token=EOS, pad_token=PAD, chat_template=CHAT_TEMPLATE,
        model_max_length=WINDOW, model_input_names=["input_ids", "attention_mask"], clean_up_tokenization_spaces=False)


# ---- training ---------------------------------------------------------------------------------------------------

def encode(tokenizer, text):
    return tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids


def token_stream(tokenizer, train):
    """All training tokens in one row, and where paragraphs begin."""
    ids, starts = [], []
    for book in train:
        ids.append(CONFIG["bos_token_id"])
        for paragraph in book:
            starts.append(len(ids))
            ids += encode(tokenizer, paragraph + "\n\n")
        ids.append(CONFIG["eos_token_id"])
    return ids, starts


def batch(rng, ids, starts, tokens, window):
    """Windows at random places; every fourth one is <s> and then the beginning of a paragraph."""
    import torch
    rows = []
    for i in range(tokens // window):
        if i % 4 == 0:
            at = rng.choice(starts)
            row = [CONFIG["bos_token_id"]] + ids[at:at + window - 1]
        else:
            at = rng.randrange(len(ids) - window)
            row = ids[at:at + window]
        rows.append(row if len(row) == window else ids[:window])
    return torch.tensor(rows)


def perplexity(model, ids):
    """exp of the mean loss over windows that do not overlap; a number per token."""
    import torch
    rows = torch.tensor([ids[i:i + WINDOW] for i in range(0, len(ids) - WINDOW + 1, WINDOW)])
    model.eval()
    with torch.inference_mode():
        logits = torch.cat([model(input_ids=r).logits for r in rows.split(4)])
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), rows[:, 1:].flatten())
    model.train()
    return math.exp(loss)


def plant_outliers(model):
    """Gives a few channels large activations and small weights; what the model computes stays the same, bit for bit.

    Large language models grow such channels by themselves, and they are what makes rounding hard (and AWQ and
    SmoothQuant work); a model of this size does not. Factors are powers of two, which bf16 multiplies exactly.
    """
    import torch
    generator = torch.Generator().manual_seed(SEED)

    def factors(channels):
        factor = torch.ones(channels, dtype=torch.bfloat16)
        factor[torch.randperm(channels, generator=generator)[:OUTLIERS]] = OUTLIER_FACTOR
        return factor

    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        for norm, readers in ((layer.input_layernorm, (attention.q_proj, attention.k_proj, attention.v_proj)),
                              (layer.post_attention_layernorm, (mlp.gate_proj, mlp.up_proj))):
            f = factors(CONFIG["hidden_size"])
            norm.weight.data *= f
            for linear in readers:
                linear.weight.data /= f
        f = factors(CONFIG["intermediate_size"])
        mlp.up_proj.weight.data *= f[:, None]
        mlp.down_proj.weight.data /= f


def save(model, tokenizer):
    import torch
    from transformers import GenerationConfig, LlamaForCausalLM
    copy = LlamaForCausalLM(model.config).to(torch.bfloat16)
    copy.load_state_dict(model.state_dict())
    plant_outliers(copy)
    copy.generation_config = GenerationConfig(
        bos_token_id=0, eos_token_id=1, pad_token_id=2, do_sample=True, temperature=0.7, top_p=0.9)
    copy.save_pretrained(HERE)
    tokenizer.save_pretrained(HERE, save_jinja_files=False)
    path = f"{HERE}/tokenizer_config.json"
    config = json.load(open(path, encoding="utf-8"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"  # the name that Transformers 4 knows too
    with open(path, "w", encoding="utf-8") as f:
        json.dump(config, f, indent=2)
        f.write("\n")
    os.chmod(f"{HERE}/model.safetensors", 0o644)
    return copy


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=40, help="train for this long")
    parser.add_argument("--steps", type=int, help="train this many steps instead")
    parser.add_argument("--batch", type=int, default=4096, help="tokens in a step")
    parser.add_argument("--rate", type=float, default=3e-3, help="peak learning rate")
    parser.add_argument("--cache", default=os.path.expanduser("~/.cache/tersor-tiny"), help="where the Debian package is kept")
    args = parser.parse_args()

    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, logging
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    rng = random.Random(SEED)

    train, heldout = split(novels(args.cache))
    with open(f"{HERE}/heldout.txt", "w", encoding="utf-8") as f:
        f.write(heldout)
    tokenizer = make_tokenizer(train)
    ids, starts = token_stream(tokenizer, train)
    heldout_ids = encode(tokenizer, heldout)
    model = LlamaForCausalLM(LlamaConfig(**CONFIG, attn_implementation="eager", dtype="float32"))
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {len(ids)} training tokens, "
          f"{len(heldout_ids)} held out ({len(heldout) / len(heldout_ids):.2f} characters a token)", flush=True)

    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([dict(params=matrices, weight_decay=0.1), dict(params=vectors, weight_decay=0.0)],
                                  lr=args.rate, betas=(0.9, 0.95), fused=True)
    begin, saved, step, mean = time.time(), time.time(), 0, None
    while True:
        done = step / args.steps if args.steps else (time.time() - begin) / (60 * args.minutes)
        if done >= 1:
            break
        # Up over the first 2 %, then down along a cosine to a twentieth.
        rate = args.rate * min(done / 0.02 + 0.01, 1, 0.525 + 0.475 * math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = rate
        tokens = batch(rng, ids, starts, args.batch, WINDOW // 2 if done < 0.8 else WINDOW)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(input_ids=tokens).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), tokens[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        step += 1
        if step % 100 == 0:
            print(f"step {step:6}  {time.time() - begin:6.0f} s  loss {mean:.4f}", flush=True)
        if time.time() - saved > 240:
            saved = time.time()
            print(f"step {step:6}  held-out perplexity {perplexity(model, heldout_ids):.2f}", flush=True)
            save(model, tokenizer)

    final = save(model, tokenizer)
    print(f"{step} steps of {args.batch} tokens in {time.time() - begin:.0f} s; held-out perplexity "
          f"{perplexity(model, heldout_ids):.2f}, in bf16 {perplexity(final, heldout_ids):.2f}")
    for prompt in ("It was", "The young man", '"I am'):
        torch.manual_seed(SEED)
        out = final.eval().generate(**tokenizer(prompt, return_tensors="pt"), max_new_tokens=60)
        print(json.dumps(tokenizer.decode(out[0], skip_special_tokens=True)))


if __name__ == "__main__":
    main()
