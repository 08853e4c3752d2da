"""What the tests share: the models, compressed folders, and vLLM's answers."""
import os
import pathlib

import pytest

import checkpoints
import readers
from program import REPO, tersor

os.environ.setdefault("HF_HUB_OFFLINE", "1")
CACHE = pathlib.Path(os.environ.get("TERSOR_ORACLES", pathlib.Path.home() / ".cache" / "tersor-oracles")) / "interop"


@pytest.fixture(scope="session")
def source():
    """source(name): the folder of an uncompressed model, "tiny" or a name that checkpoints.py knows."""
    def folder(name):
        return str(REPO / "models" / "tiny") if name == "tiny" else checkpoints.cached(name, str(CACHE))
    return folder


@pytest.fixture(scope="session")
def compressed(source, tmp_path_factory):
    """compressed(model, *flags): the folder that `tersor compress` makes; made once for the same arguments."""
    made = {}

    def folder(model, *flags):
        key = (model, *map(str, flags))
        if key not in made:
            out = tmp_path_factory.mktemp("out") / "-".join(key).replace("/", "_").replace("--", "")[-60:]
            tersor("compress", source(model), "-o", out, *flags)
            made[key] = str(out)
        return made[key]
    return folder


@pytest.fixture(scope="session")
def vllm(request, compressed):
    """vllm(case): what vLLM says about it. One process per dtype loads every folder that the selected tests ask for."""
    reason = readers.why_no_vllm()
    if reason:
        pytest.skip(reason)
    cases = {}
    for item in request.session.items:
        case = getattr(item, "callspec", None) and item.callspec.params.get("case")
        if item.get_closest_marker("vllm") and case is not None:
            cases[case] = compressed(case.model, *case.flags)
    answers = {}
    for dtype in {case.vllm for case in cases}:
        answers |= readers.vllm_answers(list(dict.fromkeys(f for c, f in cases.items() if c.vllm == dtype)), dtype)
    return lambda case: answers[cases[case]]
