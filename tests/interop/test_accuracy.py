"""No tensor is further from the source than in llm-compressor's output, and config.json says the same."""
import pytest

import accuracy
from conftest import CACHE

JOB_NAMES = [f"{scheme}-{observer.removeprefix('memoryless_')}" for scheme, observer, _ in accuracy.JOBS]


@pytest.fixture(scope="module")
def comparisons(source, tmp_path_factory):
    made = accuracy.compare(CACHE, source("smollm2-off-grid"), tmp_path_factory.mktemp("accuracy"))
    return {c.name(): c for c in made}


@pytest.mark.slow
@pytest.mark.parametrize("job", JOB_NAMES)
def test_error_per_tensor(job, comparisons):
    c = comparisons[job]
    assert c.ours.keys() == c.theirs.keys()
    worse = c.worse()
    assert not worse, (f"{len(worse)} of {len(c.ours)} tensors are further from the source than llm-compressor's, by up "
                       f"to {max(worse.values()):.6f} times: {sorted(worse, key=worse.get)[-3:]}")


# Formats that we choose otherwise than compressed-tensors would infer, so that vLLM loads them (docs/formats.md).
OTHER_FORMAT = {"W4AFP8": ("pack-quantized", "int-quantized")}


@pytest.mark.slow
@pytest.mark.parametrize("job", JOB_NAMES)
def test_quantization_config(job, comparisons):
    c = comparisons[job]
    ours, theirs = without_names(c.our_config), without_names(c.their_config)
    if c.scheme in OTHER_FORMAT:
        for config, name in zip((ours, theirs), OTHER_FORMAT[c.scheme]):
            assert config.pop("format") == name
            assert all(group.pop("format") == name for group in config["config_groups"].values())
    assert ours == theirs


def without_names(config):
    """Without what names the writer, and the observer, which readers do not use, in its short spelling."""
    config = {k: v for k, v in config.items() if k != "version"}
    for group in config["config_groups"].values():
        group["weights"]["observer"] = group["weights"]["observer"].removeprefix("memoryless_")
    config["ignore"] = sorted(config["ignore"])
    return config
