#!/usr/bin/env python3
"""Tiny random models of every supported family with the logits that Transformers computes for them.

    make_golden.py OUT_DIR [FAMILY ...]

Each family becomes OUT_DIR/<family>/ with config.json, model.safetensors (bf16) and golden.safetensors:
`ids` [T] i64 and `logits` [T, vocab] f32, computed in f32 with eager attention. Norms and biases are random
too, windows are shorter than the sequence, and routers have more experts than they choose, so that a part
that is left out shows. Written with Transformers 5.17 on the CPU.
"""
import json
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import save_file

VOCAB, HIDDEN, LENGTH = 80, 32, 40

DENSE = dict(
    vocab_size=VOCAB, hidden_size=HIDDEN, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=False,
    pad_token_id=0, bos_token_id=1, eos_token_id=2,
)


def rope(**kw):
    return {"rope_type": "default", "rope_theta": 10000.0} | kw


# name: (class prefix, changes to DENSE; None removes a key)
FAMILIES = {
    "llama": ("Llama", dict(num_key_value_heads=4, attention_bias=True, mlp_bias=True)),
    "llama3": ("Llama", dict(tie_word_embeddings=True, head_dim=16, rope_parameters=rope(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=32))),
    "llama_linear": ("Llama", dict(rope_parameters=rope(rope_type="linear", factor=2.5))),
    "llama_dynamic": ("Llama", dict(max_position_embeddings=24,
                                    rope_parameters=rope(rope_type="dynamic", factor=2.0))),
    "llama_yarn": ("Llama", dict(rope_parameters=rope(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=16))),
    "mistral": ("Mistral", dict(sliding_window=9, head_dim=12)),
    "qwen2": ("Qwen2", dict(use_sliding_window=True, sliding_window=8, max_window_layers=1)),
    "qwen3": ("Qwen3", dict(head_dim=16)),
    "phi3": ("Phi3", dict(partial_rotary_factor=0.5, sliding_window=11)),
    "phi3_longrope": ("Phi3", dict(original_max_position_embeddings=16, rope_parameters=rope(
        rope_type="longrope", short_factor=[1.0, 1.1, 1.2, 1.3], long_factor=[1.5, 2.0, 3.0, 4.0],
        original_max_position_embeddings=16))),
    "gemma2": ("Gemma2", dict(head_dim=16, sliding_window=10, query_pre_attn_scalar=24,
                              attn_logit_softcapping=3.0, final_logit_softcapping=5.0,
                              tie_word_embeddings=True)),
    "gemma3": ("Gemma3Text", dict(
        num_hidden_layers=3, head_dim=16, sliding_window=10, query_pre_attn_scalar=24, tie_word_embeddings=True,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        rope_parameters={"sliding_attention": rope(),
                         "full_attention": rope(rope_type="linear", rope_theta=1e6, factor=8.0)})),
    "olmo2": ("Olmo2", {}),
    "granite": ("Granite", dict(embedding_multiplier=6.0, logits_scaling=2.0, residual_multiplier=0.4,
                                attention_multiplier=0.2, tie_word_embeddings=True)),
    "smollm3": ("SmolLM3", dict(num_hidden_layers=4, no_rope_layer_interval=2, tie_word_embeddings=True)),
    "starcoder2": ("Starcoder2", dict(sliding_window=9, norm_epsilon=1e-5, use_bias=True,
                                      rms_norm_eps=None, tie_word_embeddings=True)),
    "cohere2": ("Cohere2", dict(num_hidden_layers=4, sliding_window=10, logit_scale=0.25, layer_norm_eps=1e-5,
                                rms_norm_eps=None, tie_word_embeddings=True)),
    "mixtral": ("Mixtral", dict(num_local_experts=4, num_experts_per_tok=2)),
    "qwen2_moe": ("Qwen2Moe", dict(num_experts=6, num_experts_per_tok=3, moe_intermediate_size=16,
                                   shared_expert_intermediate_size=24, norm_topk_prob=False,
                                   decoder_sparse_step=1, mlp_only_layers=[1])),
    "qwen3_moe": ("Qwen3Moe", dict(num_experts=6, num_experts_per_tok=3, moe_intermediate_size=16, head_dim=16,
                                   norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[])),
    "olmoe": ("Olmoe", dict(num_experts=6, num_experts_per_tok=3, intermediate_size=16, norm_topk_prob=False)),
    "granitemoe": ("GraniteMoe", dict(
        num_local_experts=4, num_experts_per_tok=2, intermediate_size=16, embedding_multiplier=6.0,
        logits_scaling=2.0, residual_multiplier=0.4, attention_multiplier=0.2, tie_word_embeddings=True)),
    "deepseek_v2": ("DeepseekV2", dict(
        num_key_value_heads=4, q_lora_rank=None, kv_lora_rank=16, qk_rope_head_dim=8, qk_nope_head_dim=8,
        v_head_dim=12, n_routed_experts=8, num_experts_per_tok=3, moe_intermediate_size=16, n_shared_experts=2,
        first_k_dense_replace=1, topk_method="group_limited_greedy", n_group=4, topk_group=2,
        routed_scaling_factor=2.0, norm_topk_prob=False)),
    "deepseek_v3": ("DeepseekV3", dict(
        num_key_value_heads=4, q_lora_rank=24, kv_lora_rank=16, qk_rope_head_dim=8, qk_nope_head_dim=8,
        v_head_dim=12, n_routed_experts=8, num_experts_per_tok=3, moe_intermediate_size=16, n_shared_experts=1,
        first_k_dense_replace=1, n_group=4, topk_group=2, routed_scaling_factor=2.5, norm_topk_prob=True,
        rope_parameters=rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, beta_fast=32,
                             beta_slow=1, mscale=1.0, mscale_all_dim=0.8))),
    "glm4_moe": ("Glm4Moe", dict(
        head_dim=16, partial_rotary_factor=0.5, use_qk_norm=True, attention_bias=True, n_routed_experts=8,
        num_experts_per_tok=3, moe_intermediate_size=16, n_shared_experts=1, first_k_dense_replace=1, n_group=1,
        topk_group=1, routed_scaling_factor=1.5, norm_topk_prob=True)),
}
KEEP_NONE = {"q_lora_rank"}


def randomize(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for _, p in sorted(model.named_parameters()):
        noise = torch.randn(p.shape, generator=generator)
        with torch.no_grad():
            p.copy_(p + 0.2 * noise if p.ndim == 1 else noise * (1.2 / p.shape[-1] ** 0.5))
    for name, b in sorted(model.named_buffers()):
        if "correction_bias" in name:
            b.copy_(0.3 * torch.randn(b.shape, generator=generator))


def write(name, out, seed):
    if name == "qwen2_5_vl":
        text = {k: v for k, v in DENSE.items() if k != "tie_word_embeddings"}
        text["rope_parameters"] = rope(mrope_section=[1, 1, 2])
        config = transformers.Qwen2_5_VLConfig(
            text_config=text, tie_word_embeddings=False,
            vision_config=dict(depth=1, hidden_size=16, intermediate_size=16, num_heads=2, out_hidden_size=HIDDEN,
                               fullatt_block_indexes=[0], patch_size=2, in_channels=3, temporal_patch_size=1,
                               spatial_merge_size=2))
        cls = transformers.Qwen2_5_VLForConditionalGeneration
    else:
        prefix, changes = FAMILIES[name]
        settings = {k: v for k, v in (DENSE | changes).items() if v is not None or k in KEEP_NONE}
        config_cls = getattr(transformers, f"{prefix}Config", None) or getattr(transformers, f"{prefix}TextConfig")
        config = config_cls(**settings)
        cls = transformers.Gemma3ForCausalLM if name == "gemma3" else getattr(transformers, f"{prefix}ForCausalLM")
    torch.manual_seed(seed)
    model = cls(config)
    randomize(model, seed)
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    model = cls.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.randint(3, VOCAB, (1, LENGTH), generator=torch.Generator().manual_seed(seed + 1))
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[0].float()
    assert torch.isfinite(logits).all()
    save_file({"ids": ids[0].contiguous(), "logits": logits.contiguous()}, folder / "golden.safetensors")
    (folder / "generation_config.json").unlink(missing_ok=True)
    config_path = folder / "config.json"
    text = json.loads(config_path.read_text())
    config_path.write_text(json.dumps(text, indent=1, sort_keys=True) + "\n")
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: {size / 1e3:.0f} kB, logits up to {logits.abs().max():.3f}", flush=True)


def main():
    out = pathlib.Path(sys.argv[1])
    torch.set_num_threads(1)
    names = [*FAMILIES, "qwen2_5_vl"]
    for seed, name in enumerate(names):
        if len(sys.argv) > 2 and name not in sys.argv[2:]:
            continue
        try:
            write(name, out, seed)
        except Exception as error:  # the other families still get their files
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


main()
