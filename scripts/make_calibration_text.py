#!/usr/bin/env python3
"""Build data/calibration/builtin.txt, the calibration text inside the program, from Debian 12 packages and this repository.

    make_calibration_text.py [--cache FOLDER] [--code REVISION] [--out FILE]

Prose, a treatise, law and other languages are public domain; the code and the manuals are this project's own. Each
source is cut at blank lines into documents of about 6 kB, the documents are mixed in an order that depends on nothing
but their text, and a form feed stands between two of them. The same packages and revision give the same bytes. Needs
apt-get, dpkg-deb and git; installs nothing.
"""
import argparse
import glob
import gzip
import hashlib
import pathlib
import re
import subprocess
import tempfile

REPO = pathlib.Path(__file__).resolve().parents[1]
CODE = "22a5cc2"  # the revision whose files are taken
PIECE = 6000  # bytes of a document: near 2048 tokens of a large vocabulary
LZ4 = "golang-github-pierrec-lz4-dev", "usr/share/gocode/src/github.com/pierrec/lz4/testdata"
FAKER = "php-faker", "usr/share/php/Faker/Provider"

# name, package, file, kB to take. Jane Austen is left out: models/tiny was trained on her.
BOOKS = [
    ("Conan Doyle, The Adventures of Sherlock Holmes", LZ4[0], f"{LZ4[1]}/pg1661.txt", 310),
    ("Twain, The Adventures of Tom Sawyer", LZ4[0], f"{LZ4[1]}/Mark.Twain-Tom.Sawyer.txt", 190),
    ("Newton, Opticks", "golang-1.19-src", "usr/share/go-1.19/src/testdata/Isaac.Newton-Opticks.txt", 240),
    ("Constitution of the United States", "miscfiles", "usr/share/state/us-constitution.gz", 50),
    ("Carroll, Alice's Adventures in Wonderland", FAKER[0], f"{FAKER[1]}/en_US/Text.php", 60),
    ("Flaubert, Madame Bovary (French)", FAKER[0], f"{FAKER[1]}/fr_FR/Text.php", 85),
    ("Goethe, Die Leiden des jungen Werther (German)", FAKER[0], f"{FAKER[1]}/de_DE/Text.php", 85),
    ("Pérez Galdós, Trafalgar (Spanish)", FAKER[0], f"{FAKER[1]}/es_ES/Text.php", 85),
    ("Machado de Assis, Dom Casmurro (Portuguese)", FAKER[0], f"{FAKER[1]}/pt_BR/Text.php", 60),
    ("Čapek, Krakatit (Czech)", FAKER[0], f"{FAKER[1]}/cs_CZ/Text.php", 40),
    ("Lu Xun, Call to Arms (Chinese)", FAKER[0], f"{FAKER[1]}/zh_TW/Text.php", 85),
    ("Miyazawa, Night on the Galactic Railroad (Japanese)", FAKER[0], f"{FAKER[1]}/ja_JP/Text.php", 60),
]
# name, path pattern in this repository, kB to take
OWN = [
    ("C++ of this project", r"src/.*\.(cc|h)", 190),
    ("Python and shell of this project", r"(scripts|tests|models|bench)/.*\.(py|sh)", 80),
    ("manuals of this project", r"(docs/.*|README|CONTRIBUTING)\.md", 60),
    ("recipes and configuration of this project", r"(examples|tests/recipes|models/tiny)/.*(yaml|config\.json)", 25),
]


def unpacked(package, cache):
    """The folder that holds a package's files."""
    folder = cache / package
    if not folder.exists():
        if not list(cache.glob(f"{package}_*.deb")):
            subprocess.run(["apt-get", "-q", "download", package], cwd=cache, check=True, capture_output=True)
        subprocess.run(["dpkg-deb", "-x", *glob.glob(f"{cache}/{package}_*.deb"), folder], check=True)
    return folder


def book(path):
    """The text of a book's file without what surrounds it, its hard line ends undone where they wrap prose."""
    data = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    text = text.replace("\r\n", "\n").lstrip("\ufeff")
    if path.suffix == ".php":
        return re.search(r"\$baseText = <<<'EOT'\n(.*?)\nEOT", text, re.S)[1]
    if m := re.search(r"\*\*\* START OF TH.*?\*\*\*\n(.*)\*\*\* END OF TH", text, re.S):
        text = m[1]
    text = re.sub(r"\nEnd of the Project Gutenberg.*", "\n", text, flags=re.S)
    return re.sub(r"\n*Produced by .*?\n\n", "\n", text, count=1, flags=re.S)


def unwrapped(text):
    """Paragraphs as one line each: how books reach a model, rather than lines of 70 columns."""
    paragraphs = []
    for p in re.split(r"\n\s*\n", text):
        lines = p.strip("\n").split("\n")
        is_wrapped = len(lines) > 1 and all(len(line) > 40 for line in lines[:-1]) and not lines[0].startswith(" ")
        paragraphs.append(" ".join(line.strip() for line in lines) if is_wrapped else p.strip("\n"))
    return "\n\n".join(p for p in paragraphs if p.strip())


def paragraphs(text):
    """(paragraph, what joins it to the next): at blank lines; a paragraph longer than a document at its lines."""
    for p in re.split(r"\n\s*\n", text):
        lines = p.split("\n") if len(p.encode()) > PIECE else [p]
        for line in lines[:-1]:
            yield line, "\n"
        yield lines[-1], "\n\n"


def pieces(text):
    out, part, size = [], "", 0
    for p, joint in paragraphs(text):
        part += p.strip("\n") + joint
        size += len(p.encode())
        if size >= PIECE:
            out.append(part)
            part, size = "", 0
    if size > PIECE // 4:
        out.append(part)
    return out


def git(*args):
    return subprocess.run(["git", "-C", REPO, *args], check=True, capture_output=True, text=True).stdout


def rank(text):
    return hashlib.sha256(text.encode()).digest()


def chosen(documents, kilobytes):
    """Documents of so many bytes together, in the order of their hashes."""
    out, size = [], 0
    for d in sorted(documents, key=rank):
        if size >= kilobytes * 1000:
            break
        out.append(d)
        size += len(d.encode())
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=pathlib.Path, help="folder that keeps the packages [a temporary one]")
    parser.add_argument("--code", default=CODE, help=f"revision whose code is taken [{CODE}]")
    parser.add_argument("--out", type=pathlib.Path, default=REPO / "data/calibration/builtin.txt")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = args.cache or pathlib.Path(folder)
        cache.mkdir(parents=True, exist_ok=True)
        documents = []

        def take(name, candidates, kilobytes):
            mine = chosen(candidates, kilobytes)
            print(f"{sum(len(d.encode()) for d in mine):8} bytes  {len(mine):3} documents  {name}")
            documents.extend(mine)

        for name, package, file, kilobytes in BOOKS:
            take(name, pieces(unwrapped(book(unpacked(package, cache) / file))), kilobytes)
        files = git("ls-tree", "-r", "--name-only", args.code).splitlines()
        for name, pattern, kilobytes in OWN:
            # A file is a document, cut where it is long; tables of data teach nothing.
            texts = [git("show", f"{args.code}:{f}") for f in files
                     if re.fullmatch(pattern, f) and "_data" not in f and "golden" not in f]
            take(name, [p for t in texts for p in (pieces(t) if len(t) > 2 * PIECE else [t])], kilobytes)
        documents = [re.sub(r"[\f\0]", "", d).strip("\n") for d in documents]
        text = "\n\f\n".join(sorted(documents, key=rank)) + "\n"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")
    print(f"{len(text.encode()):8} bytes  {len(documents):3} documents  sha256 {hashlib.sha256(text.encode()).hexdigest()}")


if __name__ == "__main__":
    main()
