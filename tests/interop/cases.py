"""The compressed checkpoints that both readers load, and what is asked of them."""
import dataclasses
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
ANSWER = "The capital of France is Paris."


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    model: str    # "tiny" or a name of checkpoints.py
    flags: tuple  # of `tersor compress`
    harm: float   # the most that the loss per token may grow in Transformers: about twice what was measured, in nats
    says: str     # what the greedy answer must hold
    vllm: str = "bfloat16"  # the dtype that vLLM computes in; None: it has no scheme for this

    def __str__(self):
        return f"{self.model}-{self.name}"


def case(scheme, *flags, harm, model="smollm2", says="capital of France", vllm="bfloat16"):
    return Case(scheme, model, ("--scheme", scheme, "--ignore", "lm_head", *flags), harm, says, vllm)


GROUP_64 = ("--group-size", "64")
RECIPE = ("--recipe", str(HERE / "two_schemes.yaml"))

# SmolLM2's width 576 is 9 · 64: the presets' groups and blocks of 128 do not divide it, 64 does. 8-bit schemes must give
# the uncompressed model's answer word for word. Transformers rounds activations as well: to 4 bits with MXFP4.
SMOLLM2 = [
    case("FP8_DYNAMIC", harm=0.05, says=ANSWER),
    case("FP8_BLOCK", "--block-structure", "64,64", harm=0.05, says=ANSWER),
    case("W8A8", harm=0.05, says=ANSWER),
    case("W8A16", *GROUP_64, harm=0.02, says=ANSWER),
    case("MXFP8", harm=0.05, says=ANSWER),
    case("W4A16", *GROUP_64, harm=0.7),
    case("W4A16_ASYM", *GROUP_64, harm=0.6),
    case("W4A8", *GROUP_64, harm=0.7),
    case("W4AFP8", *GROUP_64, "--allow-unloadable", harm=0.7, vllm=None),  # vLLM: groups of 128 on SM90 only
    case("NVFP4A16", harm=0.4),
    case("MXFP4", harm=2.0),
    # So much is lost to 3 bits that bf16 and f32 sums lead to different sentences.
    case("W3A16", *GROUP_64, harm=3.0, vllm="float32"),
    Case("two-schemes", "smollm2", RECIPE, 0.5, "capital of France"),
]

# Presets as they are, on a model whose every width is a multiple of 128.
TINY = [case(scheme, harm=harm, model="tiny", says='I ') for scheme, harm in (
    ("FP8_BLOCK", 0.02), ("W4A16", 0.1), ("W4A16_ASYM", 0.1), ("W8A16", 0.02))]

# Mixtures of experts. vLLM's CPU build chooses the scheme and then finds no kernel for it.
MOE = [case(scheme, *flags, harm=0, model="moe", says="") for scheme, flags in (
    ("FP8_DYNAMIC", ()), ("W4A16", GROUP_64), ("W8A8", ("--allow-unloadable",)))]
