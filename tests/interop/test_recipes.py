"""Recipes that Tersor takes are recipes that llm-compressor takes, and mean the same."""
import json

import pytest
import yaml

from program import REPO, tersor

FOLDER = REPO / "tests" / "recipes"
EXAMPLES = sorted((REPO / "examples" / "recipes" / "llm-compressor").glob("*.yaml"))
RECIPES = sorted(p for p in FOLDER.glob("*.*")) + EXAMPLES + [REPO / "tests" / "interop" / "two_schemes.yaml"]

# What only one of the two reads or does, and why.
NOT_THEIRS = dict.fromkeys(("saved_with_python_tags.yaml", "saved_gptq_with_python_tags.yaml"),
                           "written by an older llm-compressor; its YAML tags are refused since")
SEVERAL = {"two_modifiers.yaml", "several_modifiers.yaml", "saved_gptq.yaml"}  # no single modifier to compare with
NO_MODEL = {"fp8_block_moe.yaml"}  # names routers of several families; an entry without a match is an error
FEW = ("--samples", "4", "--max-seq-length", "64")


def parsed(path):
    from llmcompressor.recipe import Recipe
    return Recipe.create_instance(str(path)).modifiers


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda p: p.name)


@named([p for p in RECIPES if p.name not in NOT_THEIRS])
def test_llm_compressor_reads_it(path):
    assert parsed(path)


@named([p for p in RECIPES if p.name not in NOT_THEIRS | dict.fromkeys(SEVERAL | NO_MODEL)])
def test_both_resolve_the_same_groups(path, source, tmp_path):
    """Targets and quantization arguments of each group, presets expanded, defaults filled in."""
    (modifier,) = parsed(path)
    theirs = json.loads(modifier.resolve_quantization_config().model_dump_json())["config_groups"]
    model = "moe" if "gate$" in path.read_text(encoding="utf-8") else "tiny"  # patterns must match something
    tersor("compress", source(model), "-o", tmp_path / "out", "--recipe", path, "--allow-unloadable", *FEW)
    ours = json.load(open(tmp_path / "out" / "config.json"))["quantization_config"]["config_groups"]
    assert by_targets(ours) == by_targets(theirs)


def arguments_of(args):
    """The storage format is Tersor's choice, readers ignore the observer, and two values have two spellings."""
    spelling = {"group_size": {-1: None}, "actorder": {"weight": "static"}}
    return args and {k: spelling[k].get(v, v) if k in spelling else v
                     for k, v in args.items() if k not in ("observer", "observer_kwargs")}


def by_targets(groups):
    """{targets: arguments}"""
    return {tuple(sorted(g["targets"])): {k: arguments_of(g[k]) for k in ("weights", "input_activations")}
            for g in groups.values()}


def merged(groups):
    """The same schemes, in whatever groups: targets in a saved config.json are rewritten by both programs."""
    return sorted(json.dumps(arguments, sort_keys=True) for arguments in by_targets(groups).values())


# Modifiers whose recipe.yaml llm-compressor saves: (class, arguments) of each.
KV = {"num_bits": 8, "type": "float", "strategy": "tensor", "dynamic": False, "symmetric": True}
ASYMMETRIC = {"g": {"targets": ["Linear"], "weights": {"num_bits": 4, "symmetric": False, "strategy": "group",
                                                       "group_size": 64, "actorder": "weight"}}}
RTN, GPTQ = "QuantizationModifier", "GPTQModifier"
SAVED = {
    "rtn": [(RTN, {"scheme": "W4A16"})],
    "gptq": [(GPTQ, {"scheme": "W4A16"})],
    "gptq-static": [(GPTQ, {"scheme": "W4A16", "actorder": "static"})],
    "gptq-weight": [(GPTQ, {"scheme": "W8A8", "actorder": "weight"})],
    "gptq-none": [(GPTQ, {"scheme": "W4A16", "actorder": None})],
    "gptq-groups": [(GPTQ, {"config_groups": ASYMMETRIC, "block_size": 64, "dampening_frac": 0.05})],
    "fp8": [(RTN, {"scheme": "FP8"})],
    "fp8-mse": [(RTN, {"scheme": "FP8", "observer": {"weights": "mse", "input": "mse"}})],
    "kv": [(RTN, {"scheme": "FP8", "kv_cache_scheme": KV})],
    "kv-only": [(RTN, {"kv_cache_scheme": KV})],
    "nvfp4": [(RTN, {"scheme": "NVFP4"})],
    "mxfp4": [(RTN, {"scheme": "MXFP4"})],
    "presets": [(RTN, {"scheme": {"W4A16": ["re:.*mlp.*_proj$"], "FP8_DYNAMIC": ["re:.*self_attn.*_proj$"]}})],
    "two": [(RTN, {"scheme": "FP8_DYNAMIC", "targets": ["re:.*self_attn.*_proj$"]}),
            (GPTQ, {"scheme": "W4A16", "targets": ["re:.*mlp.*_proj$"]})],
}


@pytest.mark.parametrize("name", SAVED)
def test_what_llm_compressor_saves_is_read(name, source, tmp_path):
    """A run of llm-compressor, and one of Tersor by the recipe.yaml that it left: the same quantization_config."""
    import torch
    from datasets import Dataset
    from llmcompressor import oneshot
    from llmcompressor.modifiers import gptq, quantization
    from transformers import AutoModelForCausalLM
    kinds = {RTN: quantization.QuantizationModifier, GPTQ: gptq.GPTQModifier}
    ids = torch.randint(0, 1000, (2, 32), generator=torch.Generator().manual_seed(0)).tolist()
    data = Dataset.from_dict({"input_ids": ids, "attention_mask": [[1] * 32] * 2})
    model = AutoModelForCausalLM.from_pretrained(source("tiny"), dtype="auto")
    oneshot(model=model, recipe=[kinds[kind](ignore=["lm_head"], **arguments) for kind, arguments in SAVED[name]],
            dataset=data, num_calibration_samples=2, max_seq_length=32)
    theirs = tmp_path / "theirs"
    model.save_pretrained(theirs, save_compressed=True)
    tersor("compress", source("tiny"), "-o", tmp_path / "ours", "--recipe", theirs / "recipe.yaml", *FEW)
    config = {f: json.load(open(f / "config.json"))["quantization_config"] for f in (theirs, tmp_path / "ours")}
    ours, expected = config[tmp_path / "ours"], config[theirs]
    if name == "gptq-none":  # it leaves a null out, and static is what reading the file gives there as well
        for group in expected["config_groups"].values():
            group["weights"]["actorder"] = "static"
    assert merged(ours["config_groups"]) == merged(expected["config_groups"])
    assert arguments_of(ours["kv_cache_scheme"]) == arguments_of(expected["kv_cache_scheme"])


def test_the_recipe_that_is_written_is_read_again(compressed):
    """recipe.yaml in an output folder is a recipe for both programs, and gives the same bytes."""
    folder = compressed("tiny", "--scheme", "W4A16", "--ignore", "lm_head")
    assert yaml.safe_load(open(f"{folder}/recipe.yaml"))
    assert parsed(f"{folder}/recipe.yaml")
    again = compressed("tiny", "--recipe", f"{folder}/recipe.yaml")
    assert open(f"{folder}/model.safetensors", "rb").read() == open(f"{again}/model.safetensors", "rb").read()
