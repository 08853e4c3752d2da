#!/usr/bin/env python3
"""Make a checkpoint with the tensor names, shapes, dtypes and shards of a real model, and holes for weights.

    make_sparse_checkpoint.py --like MODEL --out FOLDER [--shards N]

For timing plans and header reading on models that do not fit a disk: headers, index and config.json are real, the
data is a hole in a sparse file and reads as zeros. Needs nothing but Python.
"""
import argparse
import json
import os
import pathlib
import struct
import sys

DTYPE_BYTES = {"BF16": 2, "F32": 4}


class Tensors:
    """Names, dtypes and shapes in the order of the model's modules."""

    def __init__(self):
        self.list = []

    def add(self, name, *shape, dtype="BF16"):
        self.list.append((name, dtype, shape))

    def linear(self, name, out_features, in_features, bias=False):
        self.add(name + ".weight", out_features, in_features)
        if bias:
            self.add(name + ".bias", out_features)

    def gated_mlp(self, name, hidden, intermediate, bias=False):
        for part in ("gate_proj", "up_proj"):
            self.linear(f"{name}.{part}", intermediate, hidden, bias)
        self.linear(f"{name}.down_proj", hidden, intermediate, bias)

    def attention(self, name, hidden, heads, kv_heads, head_dim, bias=False, qk_norm=False):
        self.linear(f"{name}.q_proj", heads * head_dim, hidden, bias)
        for part in ("k_proj", "v_proj"):
            self.linear(f"{name}.{part}", kv_heads * head_dim, hidden, bias)
        self.linear(f"{name}.o_proj", hidden, heads * head_dim)
        if qk_norm:
            self.add(f"{name}.q_norm.weight", head_dim)
            self.add(f"{name}.k_norm.weight", head_dim)

    def latent_attention(self, name, c):
        """DeepSeek's multi-head latent attention."""
        heads, hidden = c["num_attention_heads"], c["hidden_size"]
        nope, rope, v = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
        self.linear(f"{name}.q_a_proj", c["q_lora_rank"], hidden)
        self.add(f"{name}.q_a_layernorm.weight", c["q_lora_rank"])
        self.linear(f"{name}.q_b_proj", heads * (nope + rope), c["q_lora_rank"])
        self.linear(f"{name}.kv_a_proj_with_mqa", c["kv_lora_rank"] + rope, hidden)
        self.add(f"{name}.kv_a_layernorm.weight", c["kv_lora_rank"])
        self.linear(f"{name}.kv_b_proj", heads * (nope + v), c["kv_lora_rank"])
        self.linear(f"{name}.o_proj", hidden, heads * v)

    def norms(self, layer, hidden):
        self.add(f"{layer}.input_layernorm.weight", hidden)
        self.add(f"{layer}.post_attention_layernorm.weight", hidden)


def llama_8b():
    c = {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": 128000, "eos_token_id": 128001, "hidden_act": "silu", "hidden_size": 4096,
        "initializer_range": 0.02, "intermediate_size": 14336, "max_position_embeddings": 131072,
        "mlp_bias": False, "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32,
        "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
        "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                         "original_max_position_embeddings": 8192, "rope_type": "llama3"},
        "rope_theta": 500000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "transformers_version": "4.43.0.dev0", "use_cache": True, "vocab_size": 128256,
    }
    t = Tensors()
    hidden = c["hidden_size"]
    t.linear("model.embed_tokens", c["vocab_size"], hidden)
    for i in range(c["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        t.attention(f"{layer}.self_attn", hidden, 32, 8, 128)
        t.gated_mlp(f"{layer}.mlp", hidden, c["intermediate_size"])
        t.norms(layer, hidden)
    t.add("model.norm.weight", hidden)
    t.linear("lm_head", c["vocab_size"], hidden)
    return c, t.list, 4


def qwen3_30b_a3b():
    c = {
        "architectures": ["Qwen3MoeForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": 151643, "decoder_sparse_step": 1, "eos_token_id": 151645, "head_dim": 128,
        "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 6144,
        "max_position_embeddings": 40960, "max_window_layers": 48, "mlp_only_layers": [],
        "model_type": "qwen3_moe", "moe_intermediate_size": 768, "norm_topk_prob": True,
        "num_attention_heads": 32, "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 48,
        "num_key_value_heads": 4, "output_router_logits": False, "rms_norm_eps": 1e-06, "rope_scaling": None,
        "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001, "sliding_window": None,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16", "transformers_version": "4.51.0",
        "use_cache": True, "use_sliding_window": False, "vocab_size": 151936,
    }
    t = Tensors()
    hidden = c["hidden_size"]
    t.linear("model.embed_tokens", c["vocab_size"], hidden)
    for i in range(c["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        t.attention(f"{layer}.self_attn", hidden, 32, 4, 128, qk_norm=True)
        t.linear(f"{layer}.mlp.gate", c["num_experts"], hidden)
        for e in range(c["num_experts"]):
            t.gated_mlp(f"{layer}.mlp.experts.{e}", hidden, c["moe_intermediate_size"])
        t.norms(layer, hidden)
    t.add("model.norm.weight", hidden)
    t.linear("lm_head", c["vocab_size"], hidden)
    return c, t.list, 16


def deepseek_config(**changes):
    c = {
        "architectures": ["DeepseekV3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV3Config",
                     "AutoModel": "modeling_deepseek.DeepseekV3Model",
                     "AutoModelForCausalLM": "modeling_deepseek.DeepseekV3ForCausalLM"},
        "bos_token_id": 0, "eos_token_id": 1, "ep_size": 1, "first_k_dense_replace": 3, "hidden_act": "silu",
        "hidden_size": 7168, "initializer_range": 0.02, "intermediate_size": 18432, "kv_lora_rank": 512,
        "max_position_embeddings": 163840, "model_type": "deepseek_v3", "moe_intermediate_size": 2048,
        "moe_layer_freq": 1, "n_group": 8, "n_routed_experts": 256, "n_shared_experts": 1, "norm_topk_prob": True,
        "num_attention_heads": 128, "num_experts_per_tok": 8, "num_hidden_layers": 61, "num_key_value_heads": 128,
        "num_nextn_predict_layers": 1, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
        "rms_norm_eps": 1e-06,
        "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0, "mscale_all_dim": 1.0,
                         "original_max_position_embeddings": 4096, "type": "yarn"},
        "rope_theta": 10000, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid",
        "tie_word_embeddings": False, "topk_group": 4, "topk_method": "noaux_tc", "torch_dtype": "bfloat16",
        "transformers_version": "4.46.3", "use_cache": True, "v_head_dim": 128, "vocab_size": 129280,
    }
    c.update(changes)
    return c


def deepseek_tensors(c):
    t = Tensors()
    hidden, layers = c["hidden_size"], c["num_hidden_layers"]
    t.linear("model.embed_tokens", c["vocab_size"], hidden)
    for i in range(layers + c["num_nextn_predict_layers"]):
        layer = f"model.layers.{i}"
        if i == layers:  # multi-token prediction: a layer with an embedding and a head of its own
            t.linear(f"{layer}.embed_tokens", c["vocab_size"], hidden)
            t.add(f"{layer}.enorm.weight", hidden)
            t.add(f"{layer}.hnorm.weight", hidden)
            t.linear(f"{layer}.eh_proj", hidden, 2 * hidden)
        t.latent_attention(f"{layer}.self_attn", c)
        if i < c["first_k_dense_replace"]:
            t.gated_mlp(f"{layer}.mlp", hidden, c["intermediate_size"])
        else:
            t.linear(f"{layer}.mlp.gate", c["n_routed_experts"], hidden)
            t.add(f"{layer}.mlp.gate.e_score_correction_bias", c["n_routed_experts"], dtype="F32")
            for e in range(c["n_routed_experts"]):
                t.gated_mlp(f"{layer}.mlp.experts.{e}", hidden, c["moe_intermediate_size"])
            t.gated_mlp(f"{layer}.mlp.shared_experts", hidden, c["moe_intermediate_size"] * c["n_shared_experts"])
        t.norms(layer, hidden)
        if i == layers:
            t.add(f"{layer}.shared_head.norm.weight", hidden)
            t.linear(f"{layer}.shared_head.head", c["vocab_size"], hidden)
    t.add("model.norm.weight", hidden)
    t.linear("lm_head", c["vocab_size"], hidden)
    return t.list


def deepseek_r1():
    c = deepseek_config()
    return c, deepseek_tensors(c), 163


def kimi_k2():
    """Kimi K2's sizes in a thousand shards, where it has 61: the worst case for reading headers."""
    c = deepseek_config(
        bos_token_id=163584, eos_token_id=163585, first_k_dense_replace=1, max_position_embeddings=131072,
        model_type="kimi_k2", n_group=1, n_routed_experts=384, num_attention_heads=64, num_key_value_heads=64,
        num_nextn_predict_layers=0,
        rope_scaling={"beta_fast": 1.0, "beta_slow": 1.0, "factor": 32.0, "mscale": 1.0, "mscale_all_dim": 1.0,
                      "original_max_position_embeddings": 4096, "type": "yarn"},
        rope_theta=50000.0, routed_scaling_factor=2.827, topk_group=1, vocab_size=163840)
    return c, deepseek_tensors(c), 1000


def qwen25_vl_7b():
    vision = {
        "depth": 32, "fullatt_block_indexes": [7, 15, 23, 31], "hidden_act": "silu", "hidden_size": 1280,
        "in_chans": 3, "intermediate_size": 3420, "model_type": "qwen2_5_vl", "num_heads": 16, "out_hidden_size": 3584,
        "patch_size": 14, "spatial_merge_size": 2, "spatial_patch_size": 14, "temporal_patch_size": 2,
        "tokens_per_second": 2, "window_size": 112,
    }
    c = {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"], "attention_dropout": 0.0, "bos_token_id": 151643,
        "eos_token_id": 151645, "hidden_act": "silu", "hidden_size": 3584, "image_token_id": 151655,
        "initializer_range": 0.02, "intermediate_size": 18944, "max_position_embeddings": 128000,
        "max_window_layers": 28, "model_type": "qwen2_5_vl", "num_attention_heads": 28, "num_hidden_layers": 28,
        "num_key_value_heads": 4, "rms_norm_eps": 1e-06,
        "rope_scaling": {"mrope_section": [16, 24, 24], "type": "mrope"}, "rope_theta": 1000000.0,
        "sliding_window": 32768, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "transformers_version": "4.41.2", "use_cache": True, "use_sliding_window": False, "video_token_id": 151656,
        "vision_config": vision, "vision_end_token_id": 151653, "vision_start_token_id": 151652,
        "vision_token_id": 151654, "vocab_size": 152064,
    }
    t = Tensors()
    width, merged = vision["hidden_size"], vision["hidden_size"] * vision["spatial_merge_size"] ** 2
    t.add("visual.patch_embed.proj.weight", width, 3, 2, 14, 14)
    for i in range(vision["depth"]):
        block = f"visual.blocks.{i}"
        t.add(f"{block}.norm1.weight", width)
        t.add(f"{block}.norm2.weight", width)
        t.linear(f"{block}.attn.qkv", 3 * width, width, bias=True)
        t.linear(f"{block}.attn.proj", width, width, bias=True)
        t.gated_mlp(f"{block}.mlp", width, vision["intermediate_size"], bias=True)
    t.add("visual.merger.ln_q.weight", width)
    t.linear("visual.merger.mlp.0", merged, merged, bias=True)
    t.linear("visual.merger.mlp.2", c["hidden_size"], merged, bias=True)
    hidden = c["hidden_size"]
    t.linear("model.embed_tokens", c["vocab_size"], hidden)
    for i in range(c["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        t.attention(f"{layer}.self_attn", hidden, 28, 4, 128, bias=True)
        t.gated_mlp(f"{layer}.mlp", hidden, c["intermediate_size"])
        t.norms(layer, hidden)
    t.add("model.norm.weight", hidden)
    t.linear("lm_head", c["vocab_size"], hidden)
    return c, t.list, 5


MODELS = {
    "llama-3.1-8b": llama_8b,
    "qwen3-30b-a3b": qwen3_30b_a3b,
    "qwen2.5-vl-7b": qwen25_vl_7b,
    "deepseek-r1": deepseek_r1,
    "kimi-k2-1000-shards": kimi_k2,
}


def num_bytes(tensor):
    _, dtype, shape = tensor
    count = DTYPE_BYTES[dtype]
    for size in shape:
        count *= size
    return count


def split(tensors, shards):
    """Consecutive tensors in `shards` lists of about the same bytes, none empty."""
    total, parts, used = sum(map(num_bytes, tensors)), [[]], 0
    for i, tensor in enumerate(tensors):
        left = len(tensors) - i
        full = used >= total * len(parts) / shards
        if parts[-1] and len(parts) < shards and (full or left <= shards - len(parts)):
            parts.append([])
        parts[-1].append(tensor)
        used += num_bytes(tensor)
    return parts


def write_shard(path, tensors):
    """The header, and a hole as long as the data. Tensors are ordered as safetensors' own writer orders them."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for tensor in sorted(tensors, key=lambda t: (-DTYPE_BYTES[t[1]], t[0])):
        name, dtype, shape = tensor
        end = at + num_bytes(tensor)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
    return at


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--like", required=True, choices=sorted(MODELS))
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--shards", type=int, help="number of shard files, the real one by default")
    args = parser.parse_args()

    config, tensors, shards = MODELS[args.like]()
    if args.shards is not None:
        if not 1 <= args.shards <= len(tensors):
            sys.exit(f"--shards was expected to lie between 1 and {len(tensors)}")
        shards = args.shards
    os.makedirs(args.out, exist_ok=True)
    parts = split(tensors, shards)
    weight_map, total = {}, 0
    for i, part in enumerate(parts, 1):
        name = "model.safetensors" if len(parts) == 1 else f"model-{i:05}-of-{len(parts):05}.safetensors"
        total += write_shard(args.out / name, part)
        weight_map.update({tensor[0]: name for tensor in part})
    if len(parts) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (args.out / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
    (args.out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    print(f"{args.out}: {len(tensors)} tensors, {total / 1e9:.1f} GB of holes in {len(parts)} files")


if __name__ == "__main__":
    main()
