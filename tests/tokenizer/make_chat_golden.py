#!/usr/bin/env python3
"""Write golden/chat.json for chat_template_test: what transformers renders.

    make_chat_golden.py OUT_FOLDER          needs transformers and jinja2; the file says which versions made it

"snippets": [template, text or null where it is refused, spans of generation blocks in bytes], rendered with "messages"
and "variables" of jinja_cases.py. "conversations": the files of templates/, each with every conversation and one of
the settings in turn.
"""
import json
import pathlib
import sys

import jinja2
import transformers

import conversations
import interop_chat
import jinja_cases


def as_json(value):
    """As text, so that a reader keeps the order of keys; empty for none."""
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def answer(template, messages, settings, variables):
    want = interop_chat.reference(template, json.loads(json.dumps(messages)), settings.get("tools"),
                                  settings.get("documents"), variables, settings.get("add_generation_prompt", False))
    if "error" in want:
        return None, []
    text = want["text"]
    return text, [[len(text[:a].encode()), len(text[:b].encode())] for a, b in want["generated"]]


def main(out):
    golden = {
        "made_with": f"transformers {transformers.__version__}, jinja2 {jinja2.__version__}",
        "messages": as_json(jinja_cases.MESSAGES), "variables": as_json(jinja_cases.VARIABLES),
        "snippets": [[s, *answer(s, jinja_cases.MESSAGES, {}, jinja_cases.VARIABLES)]
                     for s in jinja_cases.SNIPPETS],
        "conversations": [],
    }
    for path in sorted((interop_chat.HERE / "templates").glob("*.jinja")):
        for i, messages in enumerate(conversations.CONVERSATIONS):
            settings = conversations.SETTINGS[i % len(conversations.SETTINGS)]
            variables = {**interop_chat.TOKENS, **settings.get("variables", {})}
            text, spans = answer(path.read_text(), messages, settings, variables)
            golden["conversations"].append(
                {"template": path.name, "messages": as_json(messages), "tools": as_json(settings.get("tools")),
                 "documents": as_json(settings.get("documents")), "variables": as_json(variables),
                 "add_generation_prompt": settings.get("add_generation_prompt", False), "text": text, "generated": spans})
    text = json.dumps(golden, ensure_ascii=False, indent=0)
    pathlib.Path(out, "chat.json").write_text(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
