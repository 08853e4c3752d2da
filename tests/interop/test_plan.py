"""What no reader could load is refused before any weight is read, with the flag that helps."""
import pytest

from program import tersor


@pytest.mark.parametrize("scheme", ["W4A16", "W4A16_ASYM", "W8A16", "W3A16", "W4A8", "FP8_BLOCK"])
def test_sizes_that_do_not_divide_are_refused(scheme, source):
    done = tersor("plan", source("smollm2"), "--scheme", scheme, "--ignore", "lm_head", code=4)
    message = done.stdout + done.stderr
    assert "64" in message and "576" in message and "128" in message, message
    assert ("--block-structure" if scheme == "FP8_BLOCK" else "--group-size") in message, message


def test_compress_refuses_alike_and_writes_nothing(source, tmp_path):
    tersor("compress", source("smollm2"), "-o", tmp_path / "out", "--scheme", "W4A16", "--ignore", "lm_head", code=4)
    assert list(tmp_path.iterdir()) == []


def test_allow_unloadable_goes_on(source, tmp_path):
    tersor("plan", source("smollm2"), "--scheme", "FP8_BLOCK", "--ignore", "lm_head", "--allow-unloadable")
