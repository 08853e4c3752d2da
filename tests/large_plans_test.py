#!/usr/bin/env python3
"""Plans checkpoints of the largest open models, whose tensors are holes: true names, shapes and shard counts.

    large_plans_test.py SOURCE_DIR TERSOR
"""
import json
import pathlib
import subprocess
import sys
import tempfile

CASES = [  # shape, arguments, quantized modules by group, output bytes per source byte within
    ("qwen3-30b-a3b", ["--scheme", "FP8_BLOCK", "--ignore", "lm_head", "--ignore", "re:.*mlp.gate$"],
     {"model.layers.*.mlp.experts.*.gate_proj": 48 * 128, "model.layers.*.self_attn.q_proj": 48}, (0.50, 0.52)),
    ("deepseek-r1", ["--scheme", "W4A16", "--ignore", "lm_head"],
     {"model.layers.*.mlp.experts.*.up_proj": 58 * 256, "model.layers.*.self_attn.kv_b_proj": 61}, (0.26, 0.29)),
    ("qwen2.5-vl-7b", ["--scheme", "FP8_DYNAMIC", "--ignore", "lm_head", "--ignore", "re:visual.*"],
     {"model.layers.*.mlp.down_proj": 28}, (0.58, 0.62)),
]


def main(source, tersor):
    for shape, arguments, expected, (least, most) in CASES:
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / shape
            subprocess.run([sys.executable, f"{source}/scripts/make_sparse_checkpoint.py", "--like", shape, "--out", model],
                           check=True, stdout=subprocess.DEVNULL)
            done = subprocess.run([tersor, "plan", model, *arguments, "--json"], capture_output=True, text=True)
            assert done.returncode == 0, f"{shape}: exit {done.returncode}: {done.stderr}"
            plan = json.loads(done.stdout)
            counts = {}
            for group in plan["groups"]:
                if "scheme" in group:
                    counts[group["name"]] = counts.get(group["name"], 0) + group["count"]
            for name, count in expected.items():
                assert counts.get(name) == count, f"{shape}: {name}: {counts.get(name)} modules, {count} were expected"
            ratio = plan["output_bytes"] / plan["source_bytes"]
            assert least < ratio < most, f"{shape}: output is {ratio:.3f} of the source, {least} to {most} was expected"
            assert "vLLM 0.32.0" in plan["loads_in"], f"{shape}: {plan['problems']}"
            print(f"{shape}: {plan['shards']} shards, {plan['tensors']} tensors, {plan['output_bytes']} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
