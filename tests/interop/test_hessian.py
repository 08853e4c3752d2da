"""Hessians of a real model's linears equal to what torch gives for the same tokens."""
import json
import subprocess

import numpy as np
import pytest

import readers
from program import REPO

TOOL = REPO / "build" / "tests" / "hessian_tool"
SAMPLES, TOKENS = 8, 256


def torch_hessians(folder, samples, names):
    """2/n · XᵀX of the named linears' inputs, activations in f32 and sums in f64."""
    import torch
    model = readers.load(folder).float()
    sums = {}

    def look(name):
        def hook(_, inputs):
            x = inputs[0].flatten(0, -2).double()
            sums[name] = sums.get(name, 0) + x.T @ x
        return hook

    hooks = [model.get_submodule(name).register_forward_pre_hook(look(name)) for name in names]
    with torch.inference_mode():
        for ids in samples:
            model(input_ids=torch.tensor([ids]), use_cache=False)
    for hook in hooks:
        hook.remove()
    return {name: (2 / sum(map(len, samples)) * h).numpy() for name, h in sums.items()}


@pytest.mark.parametrize("layer", [0, 14, 29])
def test_hessians_are_those_of_torch(source, tmp_path, layer):
    model = source("smollm2-off-grid")
    text = (REPO / "models" / "tiny" / "heldout.txt").read_text(encoding="utf-8")
    ids = readers.tokenizer(model)(text)["input_ids"]
    samples = [ids[i * TOKENS:(i + 1) * TOKENS] for i in range(SAMPLES)]
    (tmp_path / "samples.json").write_text(json.dumps(samples))
    done = subprocess.run([TOOL, model, tmp_path / "samples.json", str(layer), tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = done.stdout.split()
    assert [n.rpartition(".")[2] for n in names] == ["q_proj", "o_proj", "gate_proj", "down_proj"]
    for name, expected in torch_hessians(model, samples, names).items():
        ours = np.fromfile(tmp_path / f"{name}.f32", dtype=np.float32).reshape(expected.shape)
        error = np.linalg.norm(ours - expected) / np.linalg.norm(expected)
        assert error < 1e-3, f"{name}: {error:.2e}"
        diagonal = np.abs(np.diagonal(ours) / np.diagonal(expected) - 1).max()
        assert diagonal < 1e-3, f"{name}, worst of the diagonal: {diagonal:.2e}"
        assert np.array_equal(ours, ours.T)
