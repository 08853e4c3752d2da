#!/usr/bin/env python3
"""Compare chat_tool with transformers' own rendering of chat templates, text for text.

    interop_chat.py TOOL [--templates FOLDER...]

Needs transformers and jinja2. Renders jinja_cases.py and templates/*.jinja, and every *.jinja of the given folders, with the
conversations of conversations.py. Both must give the same text, or both refuse.
"""
import argparse
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile

from transformers.utils import chat_template_utils

import conversations
import jinja_cases

NOW = datetime.datetime(2024, 7, 26, 9, 5, 3)
HERE = pathlib.Path(__file__).parent
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


class FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = FixedClock


def reference(template, messages, tools, documents, variables, add_generation_prompt):
    try:
        compiled = chat_template_utils._compile_jinja_template(template)
        text, generated = chat_template_utils._render_with_assistant_indices(
            compiled, messages, tools, documents, add_generation_prompt, **variables)
        return {"text": text, "generated": generated}
    except Exception as e:
        return {"error": f"{type(e).__name__}: {e}"}


def case(template, messages, settings, variables):
    as_json = lambda v: "" if v is None else json.dumps(v, ensure_ascii=False)
    return {
        "template": template, "messages": json.dumps(messages, ensure_ascii=False),
        "tools": as_json(settings.get("tools")), "documents": as_json(settings.get("documents")),
        "variables": as_json(variables), "add_generation_prompt": settings.get("add_generation_prompt", False),
        "now": int(NOW.timestamp()),
    }


def run(tool, cases):
    with tempfile.TemporaryDirectory() as folder:
        source, out = pathlib.Path(folder) / "cases.json", pathlib.Path(folder) / "out.json"
        source.write_text(json.dumps(cases))
        subprocess.run([tool, str(source), str(out)], check=True)
        return json.loads(out.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool")
    parser.add_argument("--templates", nargs="*", default=[])
    parser.add_argument("--show", type=int, default=3)
    args = parser.parse_args()
    jobs = []  # (name, template, messages, settings, variables)
    for template in jinja_cases.SNIPPETS:
        jobs.append((template, template, jinja_cases.MESSAGES, {}, jinja_cases.VARIABLES))
    folders = [HERE / "templates"] + [pathlib.Path(f) for f in args.templates]
    for folder in folders:
        for path in sorted(folder.glob("*.jinja")):
            for messages in conversations.CONVERSATIONS:
                for settings in conversations.SETTINGS:
                    jobs.append((path.name, path.read_text(), messages, settings, {**TOKENS, **settings.get("variables", {})}))

    ours = run(args.tool, [case(*job[1:]) for job in jobs])
    wrong, shown, refused = {}, {}, 0
    for (name, template, messages, settings, variables), mine in zip(jobs, ours):
        want = reference(template, json.loads(json.dumps(messages)), settings.get("tools"), settings.get("documents"), variables,
                         settings.get("add_generation_prompt", False))
        if "error" in want:
            same = "error" in mine
            refused += same
        else:
            same = mine.get("text") == want["text"]
            if same:  # byte offsets, where Python counts characters
                text = want["text"].encode()
                spans = [(len(text[:a].decode()), len(text[:b].decode())) for a, b in mine["generated"]]
                same = spans == [tuple(g) for g in want["generated"]]
        if not same:
            wrong[name] = wrong.get(name, 0) + 1
            if shown.setdefault(name, 0) < args.show:
                shown[name] += 1
                print(f"--- {name}\nours {mine}\nwant {want}")
    print(f"{len(jobs)} renderings of {len({j[1] for j in jobs})} templates, {refused} refused by both, {sum(wrong.values())} differ",
          sorted(wrong.items()) if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
