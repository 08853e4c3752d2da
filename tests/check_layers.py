#!/usr/bin/env python3
"""Hold src/tersor/modules.txt against the #include lines: a folder includes only what its line lists.

    check_layers.py SOURCE_DIR

Also: third-party headers only where a line names them, files below 800 lines, and every header has `#pragma once`.
"""
import pathlib
import re
import sys

THIRD_PARTY = {  # include prefix -> name in modules.txt
    "fmt/": "fmt", "hwy/": "hwy", "nlohmann/": "nlohmann", "yaml-cpp/": "yaml-cpp", "CLI/": "CLI",
    "pcre2.h": "pcre2", "xxhash.h": "xxhash", "utf8proc.h": "utf8proc", "dnnl": "dnnl", "cblas.h": "openblas", "lapacke.h": "openblas",
    "arrow/": "arrow", "parquet/": "arrow",
}
ONE_WRAPPER = {"nlohmann/": "io/json.h", "yaml-cpp/": "io/yaml.cc", "pcre2.h": "base/regex.cc",
               "utf8proc.h": "tokenizer/unicode_normalize.cc"}
MAX_LINES = 800


def main(root):
    src = pathlib.Path(root) / "src/tersor"
    allowed, third = {}, {}
    for line in (src / "modules.txt").read_text().splitlines():
        if m := re.match(r"([a-z]+):([^|]*)\|(.*)$", line):
            allowed[m[1]] = set(m[2].split()) | {m[1]}
            third[m[1]] = set(m[3].split())
    wrong, files = [], 0
    for path in sorted(src.rglob("*")):
        if path.suffix not in (".h", ".cc"):
            continue
        files += 1
        relative = path.relative_to(src)
        module = relative.parts[0]
        lines = path.read_text().splitlines()
        if module not in allowed:
            wrong.append(f"{relative}: folder `{module}` is not in modules.txt")
            continue
        if len(lines) > MAX_LINES:
            wrong.append(f"{relative}: {len(lines)} lines, at most {MAX_LINES}: split it by idea")
        if path.suffix == ".h" and not path.name.endswith("-inl.h") and "#pragma once" not in lines:
            wrong.append(f"{relative}: no #pragma once")
        for number, text in enumerate(lines, 1):
            m = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', text)
            if not m:
                continue
            where = f"{relative}:{number}"
            if m[1].startswith("tersor/"):
                other = m[1].split("/")[1]
                if other not in allowed[module]:
                    wrong.append(f"{where}: `{module}` may not include `{other}`")
                if not (src.parent / m[1]).exists():
                    wrong.append(f"{where}: {m[1]} does not exist")
            for prefix, name in THIRD_PARTY.items():
                if m[1].startswith(prefix):
                    if name not in third[module]:
                        wrong.append(f"{where}: `{module}` may not include {m[1]}")
                    only = ONE_WRAPPER.get(prefix)
                    if only and str(relative) != only:
                        wrong.append(f"{where}: {m[1]} belongs in {only} alone")
    if files == 0:
        wrong.append(f"no sources under {src}")
    print("\n".join(wrong) if wrong else f"{files} files keep to modules.txt")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
