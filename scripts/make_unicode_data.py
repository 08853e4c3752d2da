#!/usr/bin/env python3
"""Write src/tersor/tokenizer/unicode_data.cc: the General_Category of every code point, as runs.

    make_unicode_data.py OUT.cc        needs the Python package unicodedata2 of the version below

The version is pinned because it decides where text is split: it is the one that the tokenizers library's regular
expressions have, and a newer C library on some machine must not change a token.
"""
import sys

import unicodedata2

VERSION = "16.0.0"
CATEGORIES = ["Cc", "Cf", "Cn", "Co", "Cs", "Ll", "Lm", "Lo", "Lt", "Lu", "Mc", "Me", "Mn", "Nd", "Nl", "No",
              "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Sc", "Sk", "Sm", "So", "Zl", "Zp", "Zs"]
# Cased scripts alternate capital, small, capital, small: such a stretch is one run of a made-up category.
EVEN_UPPER, ODD_UPPER = len(CATEGORIES), len(CATEGORIES) + 1


def main(path):
    if unicodedata2.unidata_version != VERSION:
        sys.exit(f"unicodedata2 is of Unicode {unicodedata2.unidata_version}, not {VERSION}")
    cat = [CATEGORIES.index(unicodedata2.category(chr(c))) for c in range(0x110000)]
    upper, lower = CATEGORIES.index("Lu"), CATEGORIES.index("Ll")
    runs, c = [], 0
    while c < len(cat):
        alternating = EVEN_UPPER if c % 2 == (cat[c] != upper) else ODD_UPPER
        end = c
        while end < len(cat) and cat[end] == (upper if (end % 2 == 0) == (alternating == EVEN_UPPER) else lower):
            end += 1
        if end - c >= 4:
            runs.append((c, alternating))
        else:
            end = c
            while end < len(cat) and cat[end] == cat[c]:
                end += 1
            runs.append((c, cat[c]))
        c = end
    words = [f"0x{start << 5 | category:x}," for start, category in runs]
    lines, line = [], " "
    for word in words:
        if len(line) + 1 + len(word) > 110:
            lines.append(line)
            line = " "
        line += " " + word
    lines.append(line)
    with open(path, "w") as out:
        out.write(f"// The General_Category of every code point in Unicode {VERSION}, written by scripts/make_unicode_data.py.\n"
                  "//\n"
                  "// Runs in ascending order: `first code point << 5 | category`; a run ends where the next begins. The category is\n"
                  "// an index into GeneralCategory, or kEvenUpper / kOddUpper for a stretch where capital and small letters alternate.\n"
                  '#include "tersor/tokenizer/unicode.h"\n\n'
                  "namespace tersor::tokenizer {\n\n"
                  "// clang-format off\n"
                  "const uint32_t kCategoryRuns[] = {\n" + "\n".join(lines) + "\n};\n"
                  "// clang-format on\n"
                  f"const size_t kCategoryRunCount = {len(runs)};\n\n"
                  "}  // namespace tersor::tokenizer\n")


if __name__ == "__main__":
    main(sys.argv[1])
