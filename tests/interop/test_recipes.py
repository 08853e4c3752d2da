"""Recipes that Tersor takes are recipes that llm-compressor takes, and mean the same."""
import json

import pytest
import yaml

from program import REPO, tersor

FOLDER = REPO / "tests" / "recipes"
RECIPES = sorted(p for p in FOLDER.glob("*.*")) + [REPO / "tests" / "interop" / "two_schemes.yaml"]

# What only one of the two reads or does, and why.
NOT_THEIRS = {"saved_with_python_tags.yaml": "written by an older llm-compressor; its YAML tags are refused since"}
CALIBRATED = {"kv_cache_fp8.yaml", "nvfp4.yaml"}  # need data, which Tersor does not use yet
SEVERAL = {"two_modifiers.yaml"}                  # no single modifier whose configuration could be compared
NO_MODEL = {"fp8_block_moe.yaml"}                 # names routers of several families; an entry without a match is an error


def parsed(path):
    from llmcompressor.recipe import Recipe
    return Recipe.create_instance(str(path)).modifiers


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda p: p.name)


@named([p for p in RECIPES if p.name not in NOT_THEIRS])
def test_llm_compressor_reads_it(path):
    assert parsed(path)


@named([p for p in RECIPES if p.name not in NOT_THEIRS | dict.fromkeys(CALIBRATED | SEVERAL | NO_MODEL)])
def test_both_resolve_the_same_groups(path, source, tmp_path):
    """Targets and quantization arguments of each group, presets expanded, defaults filled in."""
    (modifier,) = parsed(path)
    theirs = json.loads(modifier.resolve_quantization_config().model_dump_json())["config_groups"]
    model = "moe" if "gate$" in path.read_text(encoding="utf-8") else "tiny"  # patterns must match something
    tersor("compress", source(model), "-o", tmp_path / "out", "--recipe", path, "--allow-unloadable")
    ours = json.load(open(tmp_path / "out" / "config.json"))["quantization_config"]["config_groups"]
    assert by_targets(ours) == by_targets(theirs)


def by_targets(groups):
    """{targets: arguments}. The storage format is Tersor's choice, readers ignore the observer, and two values
    have two spellings."""
    spelling = {"group_size": {-1: None}, "actorder": {"weight": "static"}}

    def arguments(args):
        return args and {k: spelling[k].get(v, v) if k in spelling else v
                         for k, v in args.items() if k != "observer"}
    return {tuple(sorted(g["targets"])): {k: arguments(g[k]) for k in ("weights", "input_activations")}
            for g in groups.values()}


def test_the_recipe_that_is_written_is_read_again(compressed):
    """recipe.yaml in an output folder is a recipe for both programs, and gives the same bytes."""
    folder = compressed("tiny", "--scheme", "W4A16", "--ignore", "lm_head")
    assert yaml.safe_load(open(f"{folder}/recipe.yaml"))
    assert parsed(f"{folder}/recipe.yaml")
    again = compressed("tiny", "--recipe", f"{folder}/recipe.yaml")
    assert open(f"{folder}/model.safetensors", "rb").read() == open(f"{again}/model.safetensors", "rb").read()
