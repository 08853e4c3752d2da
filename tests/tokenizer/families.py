"""Small tokenizers in the manner of the published families, trained on the spot: {name: tokenizers.Tokenizer}.

Only the vocabularies are small; pipelines, patterns and options are those of the families' own tokenizer.json.
"""
import collections
import json
import struct

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

GPT4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
        r"\s+(?!\S)|\s+")
QWEN2 = GPT4.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN35 = QWEN2.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(r"[^\s\p{L}\p{N}]+", r"[^\s\p{L}\p{M}\p{N}]+")
_HEAD, _TAIL = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = r"[^\r\n\p{L}\p{N}]?" + _HEAD + "*" + _TAIL + "+{c}|" + r"[^\r\n\p{L}\p{N}]?" + _HEAD + "+" + _TAIL + "*{c}|{n}"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = _CASED.replace("{c}", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?").replace("{n}", r"\p{N}{1,3}") + _REST
TEKKEN = _CASED.replace("{c}", "").replace("{n}", r"\p{N}") + _REST
DEEPSEEK = [
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|"
    "\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
]


def byte_bpe(corpus, size, pre, specials, normalizer=None, **options):
    t = Tokenizer(models.BPE(**options))
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=size, special_tokens=specials, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return t


def regex_split(*patterns):
    splits = [pre_tokenizers.Split(Regex(p), "isolated") for p in patterns]
    return pre_tokenizers.Sequence(splits + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def template(single, pairs):
    return processors.TemplateProcessing(single=single, special_tokens=pairs)


def marker_bpe(corpus, size, specials, **options):
    """BPE over characters with ▁ for the space, bytes for what is missing, as SentencePiece's converted models have it."""
    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True, **options))
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    byte_tokens = [f"<0x{b:02X}>" for b in range(256)]
    t.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=size + 256, special_tokens=specials + byte_tokens, show_progress=False, limit_alphabet=150))
    # The trainer makes its special tokens added tokens; the byte tokens must be plain ones.
    data = json.loads(t.to_str())
    data["added_tokens"] = [a for a in data["added_tokens"] if a["content"] in specials]
    t = Tokenizer.from_str(json.dumps(data))
    t.pre_tokenizer = None
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                   decoders.Strip(" ", 1, 0)])
    return t


def tiny_charsmap():
    """A precompiled_charsmap with a handful of rewrites, as SentencePiece lays it out (a darts-clone double array)."""
    rules = {"\n": " ", "\t": " ", "\u00a0": " ", "\u3000": " ", "\u200b": "", "ﬁ": "fi", "½": "1/2", "Ａ": "A", "１": "1",
             "e\u0301": "é", "㍿": "株式会社", "…": "...", "\u0301": "", "👍🏽": "+1", "ａ": "a", "™": "TM"}
    blob, values = b"", {}
    for key, value in sorted(rules.items()):
        values[key.encode()] = len(blob)
        blob += value.encode() + b"\0"
    trie = {}
    for key in values:
        node = trie
        for byte in key:
            node = node.setdefault(byte, {})
        node[None] = values[key]
    units, used = {}, {0}

    def place(node, at):
        """Puts the children of the node in unit `at` somewhere free, and says so in that unit."""
        labels = [b if b is not None else 0 for b in node]
        offset = 1
        # An offset that fits in the unit's 21 bits, unshifted.
        while any((at ^ offset ^ b) in used for b in labels):
            offset += 1
        base = at ^ offset
        used.update(base ^ b for b in labels)
        units[at] = units.get(at, 0) | offset << 10 | (0x100 if None in node else 0)
        for byte, child in node.items():
            if byte is None:
                units[base] = 0x80000000 | child
            else:
                units[base ^ byte] = byte
                place(child, base ^ byte)

    place(trie, 0)
    array = [units.get(i, 0) for i in range(max(units) + 1)]
    trie_bytes = struct.pack(f"<{len(array)}I", *array)
    return struct.pack("<I", len(trie_bytes)) + trie_bytes + blob


def unigram(corpus, size, normalizer, pre, byte_fallback=False):
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizer
    t.pre_tokenizer = pre
    # The trainer wants every character of its corpus in the vocabulary.
    common = {c for c, _ in collections.Counter("".join(corpus)).most_common(size // 4)}
    corpus = ["".join(c for c in text if c in common) for text in corpus]
    specials = ["<pad>", "</s>", "<unk>"] + ([f"<0x{b:02X}>" for b in range(256)] if byte_fallback else [])
    t.train_from_iterator(corpus, trainers.UnigramTrainer(
        vocab_size=size + len(specials), special_tokens=specials, unk_token="<unk>", show_progress=False))
    if byte_fallback:
        data = json.loads(t.to_str())
        data["added_tokens"] = data["added_tokens"][:3]
        data["model"]["byte_fallback"] = True
        t = Tokenizer.from_str(json.dumps(data))
    t.decoder = decoders.Metaspace(prepend_scheme="always")
    return t


def add(t, *tokens):
    t.add_tokens(list(tokens))
    return t


def build(corpus, size, charsmap=None):
    charsmap = charsmap or tiny_charsmap()
    chat = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    out = {}
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)

    out["gpt2"] = byte_bpe(corpus, size, byte_level, ["<|endoftext|>"])
    out["gpt2"].post_processor = processors.ByteLevel(trim_offsets=False)
    out["smollm2"] = byte_bpe(corpus, size, pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level]),
                              chat)
    out["llama3"] = byte_bpe(corpus, size, regex_split(GPT4), [], ignore_merges=True)
    add(out["llama3"], *[AddedToken(s, special=True) for s in ["<|begin_of_text|>", "<|eot_id|>", "<|special|>"]])
    out["llama3"].post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        template("<|begin_of_text|> $A", [("<|begin_of_text|>", out["llama3"].token_to_id("<|begin_of_text|>"))])])
    out["gpt4"] = byte_bpe(corpus, size, regex_split(GPT4), ["<|endoftext|>"])
    out["qwen2"] = byte_bpe(corpus, size, regex_split(QWEN2), chat, normalizers.NFC())
    add(out["qwen2"], AddedToken("<tool_call>", special=False, normalized=False))
    out["qwen35"] = byte_bpe(corpus, size, regex_split(QWEN35), chat, normalizers.NFC())
    out["o200k"] = byte_bpe(corpus, size, regex_split(O200K), ["<|endoftext|>"])
    out["tekken"] = byte_bpe(corpus, size, regex_split(TEKKEN), ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"])
    out["deepseek"] = byte_bpe(corpus, size, regex_split(*DEEPSEEK), ["<｜begin▁of▁sentence｜>"], normalizers.Sequence([]))
    out["falcon"] = byte_bpe(corpus, size, pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation("contiguous"), byte_level, pre_tokenizers.Digits(individual_digits=False),
        pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")]), ["<|endoftext|>"])
    out["bloom"] = byte_bpe(corpus, size, regex_split(r" ?[^(\s|[.,!?…。，、।۔،])]+"), ["<s>"])
    out["neox"] = byte_bpe(corpus, size, byte_level, ["<|endoftext|>"], normalizers.NFC())
    add(out["neox"], *[AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])

    out["llama2"] = marker_bpe(corpus, size, ["<unk>", "<s>", "</s>"])
    out["llama2"].normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    out["llama2"].post_processor = template("<s> $A", [("<s>", 1)])
    out["mistral"] = marker_bpe(corpus, size, ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"])
    out["mistral"].pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    out["mistral"].post_processor = template("<s> $A </s>", [("<s>", 1), ("</s>", 2)])
    out["gemma"] = marker_bpe(corpus, size, ["<pad>", "<eos>", "<bos>", "<unk>"])
    out["gemma"].normalizer = normalizers.Replace(" ", "▁")
    out["gemma"].pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    out["gemma"].decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    out["gemma"].post_processor = template("<bos> $A", [("<bos>", 2)])
    add(out["gemma"], *[AddedToken("▁" * n, normalized=False) for n in range(2, 12)], AddedToken("\n\n", normalized=False))

    out["t5"] = unigram(corpus, size, normalizers.Precompiled(charsmap), pre_tokenizers.Metaspace(prepend_scheme="always"))
    out["t5"].post_processor = template("$A </s>", [("</s>", 1)])
    out["xlnet"] = unigram(corpus, size, normalizers.Sequence([
        normalizers.Replace("``", '"'), normalizers.Replace(Regex(" {2,}"), " "), normalizers.Nmt(), normalizers.NFKD(),
        normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Precompiled(charsmap)]),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]),
        byte_fallback=True)
    out["first"] = marker_bpe(corpus, size, ["<unk>", "<s>", "</s>"])
    out["first"].normalizer = normalizers.Strip(left=True, right=True)
    out["first"].pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"\s(?=\S)"), "merged_with_previous"), pre_tokenizers.Metaspace(prepend_scheme="first")])

    roberta = byte_bpe(corpus, size, pre_tokenizers.ByteLevel(add_prefix_space=True), ["<s>", "</s>", "<unk>"])
    roberta.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    out["roberta"] = add(roberta, AddedToken("<mask>", special=True, lstrip=True), AddedToken("tight", rstrip=True),
                         AddedToken("word", single_word=True), AddedToken("say", lstrip=True, rstrip=True, normalized=False))
    bert = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    bert.normalizer = normalizers.BertNormalizer()
    bert.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    bert.train_from_iterator(corpus, trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False, limit_alphabet=200))
    bert.decoder = decoders.WordPiece()
    bert.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    out["bert"] = bert

    clip = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>", continuing_subword_prefix="~"))
    clip.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase(),
                                            normalizers.Strip()])
    clip.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True),
        pre_tokenizers.Punctuation("merged_with_next")])
    clip.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<unk>"], show_progress=False, limit_alphabet=100, end_of_word_suffix="</w>",
        continuing_subword_prefix="~"))
    clip.decoder = decoders.BPEDecoder("</w>")
    out["clip"] = add(clip, AddedToken("Café", normalized=True), AddedToken("NAÏVE", normalized=True, special=True))

    words = Tokenizer(models.WordLevel(unk_token="<unk>"))
    words.normalizer = normalizers.NFD()
    words.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Whitespace(), pre_tokenizers.Split("e", "contiguous"), pre_tokenizers.FixedLength(7)])
    words.train_from_iterator(corpus, trainers.WordLevelTrainer(vocab_size=size, special_tokens=["<unk>"], show_progress=False))
    out["words"] = words
    return out
