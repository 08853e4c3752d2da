"""Our error per tensor beside llm-compressor's, for the same scheme and observer: what test_accuracy.py judges and
accuracy_table.py prints.

The model is SmolLM2-135M with weights off the 4-bit grid; the error is ||W - dequantized|| / ||W|| of a linear, from
the files, in double precision. Groups and blocks are 64, which divides the model's width.
"""
import dataclasses

import reference
from program import tersor

# The MSE search of the reference takes minutes for FP4 on a CPU: four layers of thirty will do.
ALL = ["Linear"]
PART = [r"re:.*layers\.[0-3]\..*_proj$"]
JOBS = (
    [(scheme, "memoryless_minmax", ALL) for scheme in (
        "FP8_DYNAMIC", "FP8_BLOCK", "W8A8", "W8A16", "W4A16", "W4A16_ASYM", "W3A16", "NVFP4A16", "MXFP4", "MXFP8")]
    + [(scheme, "memoryless_mse", ALL) for scheme in ("FP8_DYNAMIC", "W8A8", "W4A16", "W4A16_ASYM", "W3A16")]
    + [(scheme, "memoryless_mse", PART) for scheme in ("FP8_BLOCK", "NVFP4A16", "MXFP4", "MXFP8")]
)


@dataclasses.dataclass
class Comparison:
    scheme: str
    observer: str
    ours: dict    # module → error
    theirs: dict
    our_config: dict    # quantization_config
    their_config: dict

    def name(self):
        return f"{self.scheme}-{self.observer.removeprefix('memoryless_')}"

    def worse(self):
        """Modules where we are further from the source than llm-compressor, beyond the rounding of the metric."""
        return {m: e / self.theirs[m] for m, e in self.ours.items() if e > self.theirs[m] * (1 + 1e-6)}


def flags(scheme, observer, targets):
    out = ["--scheme", scheme, "--ignore", "lm_head", "--observer", observer.removeprefix("memoryless_")]
    if scheme == "FP8_BLOCK":
        out += ["--block-structure", "64,64"]
    elif scheme[0] == "W" and scheme != "W8A8":
        out += ["--group-size", "64"]
    return out + ([] if targets == ALL else ["--targets", *targets])


def compare(cache, source, scratch, jobs=JOBS):
    """One Comparison per job. Compressed folders go under `scratch`."""
    import json
    result = []
    for (scheme, observer, targets), peer in zip(jobs, reference.peers(cache, source, jobs)):
        folder = f"{scratch}/{scheme}-{observer}"
        tersor("compress", source, "-o", folder, "--overwrite", *flags(scheme, observer, targets))
        config = json.load(open(f"{folder}/config.json"))["quantization_config"]
        result.append(Comparison(scheme, observer, reference.errors(folder, source), peer["errors"], config,
                                 peer["config"]))
    return result
