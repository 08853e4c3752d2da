"""Runs the program under test: build/tersor, or $TERSOR."""
import json
import os
import pathlib
import subprocess

REPO = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("TERSOR", str(REPO / "build" / "tersor"))


def tersor(*args, code=0):
    """Runs `tersor ARGS`; returns the finished process. Any other exit code than `code` fails with the output."""
    done = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == code, (
        f"tersor {' '.join(map(str, args))}\nexit code {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
    return done


def tersor_json(*args):
    return json.loads(tersor(*args, "--json").stdout)
