"""Text for the tokenizer tests: many scripts, code, emoji, odd white space, and random Unicode from a seed."""
import random

SAMPLES = [
    "The quick brown fox jumps over the lazy dog. It's 3 o'clock; they'll say we've lost, I'm sure he'd DON'T YOU'RE!",
    "In 1984, 12345678 people paid $1,234.56 (about 7%) for 3.14159 apples -- and 0x1F bananas, 1e-10 cherries…",
    "def f(x: int) -> list[str]:\n    \"\"\"Doc.\"\"\"\n    return [str(i) for i in range(x)]  # loop\n\n\nclass A(B):\n\tpass\n",
    "#include <vector>\ntemplate <class T>\nT sum(const std::vector<T>& v) {\r\n\tT s{};\r\n\tfor (auto& x : v) s += x;\r\n\treturn s;\r\n}\n",
    "SELECT * FROM t WHERE a_b >= 10 AND name LIKE '%x%'; -- comment\n{\"key\": [1, 2.5, null, true], \"s\": \"a\\nb\"}",
    "Größe, Fußgänger, naïve café, São Paulo, Łódź, İstanbul, œuvre, ﬁnance ﬂow, ½ + ¾ = 1¼, x² + y³, №5, ™ © ®",
    "e\u0301 e\u0301\u0301 a\u030a A\u030a o\u0308u\u0308 \u1e9b\u0323 \u0344 q\u0307\u0323 q\u0323\u0307 \u212b \u2126",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. Україна має їжаків; Ђорђе Њего́ш.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Ἐν ἀρχῇ ἦν ὁ λόγος. ΌΣΟΣ ὅσος",
    "صِف خَلقَ خَودِ كَمِثلِ الشَمسِ إِذ بَزَغَت — ٠١٢٣٤٥٦٧٨٩ ؟ ، ﷺ ﷽",
    "דג סקרן שט בים מאוכזב ולפתע מצא לו חברה. שָׁלוֹם",
    "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश। १२३ क्षत्रिय",
    "நான் தமிழ் பேசுகிறேன். ஸ்ரீ கொ കേരളം ಕನ್ನಡ తెలుగు ગુજરાતી বাংলা ਪੰਜਾਬੀ ଓଡ଼ିଆ සිංහල",
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน ๑๒๓ ພາສາລາວ မြန်မာ ភាសាខ្មែរ",
    "天地玄黃,宇宙洪荒。日月盈昃,辰宿列張。我能吞下玻璃而不伤身体。《红楼梦》第一回!全角ABC123",
    "いろはにほへと ちりぬるを。カタカナ・ヒラガナ、ｶﾀｶﾅ ﾊﾝｶｸ、東京タワー㍿㌔ が か\u3099",
    "키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다. \u1112\u1161\u11ab\u1100\u1173\u11af 각\u11a8",
    "😀😃😄👍🏽👩‍👩‍👧‍👦🏳️‍🌈🇩🇪🇫🇷❤️‍🔥☕️✨🤷🏾‍♀️ 1️⃣2️⃣ ⌘⌥ →←↑↓ ∑∫√∞≠≤≥ ♠♣♥♦ ░▒▓█",
    "a  b   c    d\t\te\u00a0f\u2003g\u3000h\u200bi\u2028j\u2029k\u0085l\x0bm\x0cn\x1fo\x7fp\ufeffq\u180er\u202fs",
    "\n\n\n  leading\n \n  \n\ttrailing   \r\n\r\n \r \n  ",
    "   ", " ", "\n", "\t", "'", "''s 'S 'LL 'ſ ’s `re 're're", "", "a", "A", "é", "中", "😀", "<", "<<>>", "▁", "▁▁a▁ ▁b", "Ġ Ċ ĉ",
    "www.example.com/path?q=1&r=2#frag user@mail.example.org C:\\Windows\\System32 ../../etc/passwd --flag=value -x",
    "ALLCAPS CamelCase snake_case kebab-case HTTPServer2Go iPhone15Pro x86_64 UTF-8 e.g. i.e. U.S.A. Ph.D.",
    "Hello<|endoftext|>world <|im_start|>user\nhi<|im_end|> <s> </s><s></s> <unk> [INST] x [/INST] <|special|>tight wordy",
    "zażółć gęślą jaźń ZAŻÓŁĆ ǅ ǈ ǋ ǲ ᾈ ᾼ Ⅷ ⅷ ➊ ㊿ ৺ ௧௨௩ ᛮ 𐄇 𝟘𝟙 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝓦𝓸𝔀 𐐀𐐨 𞤀𞤢 𑀓 𓀀 𒀀 𠜎𠜱",
    "Ａ＋Ｂ＝Ｃ １２３ ﾀﾞ ﬃ ﬆ ĳ Ǆ ŉ ſ ẞ ß ŀ ǰ ΐ և ﬗ ⑴ ⒈ ⒜ ㋿ ℀ ℃ ∯ ⩴ ⫝̸",
    "x\u0000y \ufffd \ufffe \uffff \U0010ffff \ue000 \U000e0001 \u0378 \u200d\u200c \u0301leading mark",
    "mixed中文and English与日本語のテキスト混ぜるтекст123текст  42nd 第3章:abc。",
    "0 00 000 0000 00000 1234567 12,345 1.2.3.4 ½⅓ ²³ ١٢٣٤٥٦ ೧೨೩೪ 一二三 Ⅻ ①②③④",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen antidisestablishmentarianism",
    "=" * 70 + "\n" + "-" * 33 + "\n/* " + "*" * 40 + " */\n// ///// ~~~~ ```python\n```",
    "\\frac{a}{b} \\begin{equation} x_{i,j}^{2} \\end{equation} $\\alpha$ & \\\\ % comment",
    "and ( [ { ! ? . , ; : ) ] } n't 's do not I 'm don 't you 've they 're",
]

# Ranges that random text is drawn from, with weights: what real text has, and what it hardly ever has.
RANGES = [
    (30, 0x20, 0x7E), (6, 0x20, 0x20), (3, 0x0A, 0x0A), (1, 0x09, 0x0D), (3, 0x27, 0x27), (4, 0x30, 0x39), (4, 0xA0, 0x24F),
    (2, 0x250, 0x36F), (3, 0x370, 0x52F), (2, 0x590, 0x6FF), (2, 0x900, 0xDFF), (2, 0xE00, 0xEFF), (2, 0x1000, 0x11FF),
    (1, 0x1E00, 0x1FFF), (2, 0x2000, 0x206F), (2, 0x2070, 0x2BFF), (3, 0x3000, 0x30FF), (4, 0x4E00, 0x9FFF),
    (2, 0xAC00, 0xD7A3), (1, 0xE000, 0xE010), (1, 0xF900, 0xFFFD), (1, 0x10000, 0x1FFFF), (2, 0x1F300, 0x1FAFF),
    (1, 0x20000, 0x2FFFF), (1, 0xE0000, 0xE01FF),
]


def random_text(rng, length):
    """`length` characters; runs of one range, so that words form."""
    weights = [w for w, _, _ in RANGES]
    out = []
    while len(out) < length:
        _, low, high = rng.choices(RANGES, weights)[0]
        for _ in range(rng.choice([1, 1, 1, 2, 3, 5, 8])):
            c = rng.randint(low, high)
            if not 0xD800 <= c < 0xE000:
                out.append(chr(c))
    return "".join(out[:length])


def shuffled_text(rng, words):
    """Pieces of the samples in any order, with any white space between."""
    pieces = [w for s in SAMPLES for w in s.split(" ") if w]
    gaps = [" "] * 12 + ["", "  ", "\n", "\n\n", "\t", " \n", "   "]
    return "".join(rng.choice(pieces) + rng.choice(gaps) for _ in range(words))


def documents(seed, count):
    """The samples, then `count` random documents."""
    rng = random.Random(seed)
    docs = list(SAMPLES)
    for i in range(count):
        docs.append(random_text(rng, rng.randint(1, 200)) if i % 2 else shuffled_text(rng, rng.randint(1, 60)))
    return docs


def training_text(seed):
    rng = random.Random(seed)
    return SAMPLES * 3 + [shuffled_text(rng, 200) for _ in range(60)]
