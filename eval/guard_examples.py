"""Documents for the guard: honest ones of many kinds, and attacks made from the templates of `guard/attacks.yaml`."""

from __future__ import annotations

import base64
import codecs
import gzip
import json
import random
import re
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

ROOT = Path(__file__).parent.parent
SETS = ("dl19", "wikiqa", "scifact", "cranfield")
FIRST_STAGE = 40
"""Candidates of a query that are taken, at most."""
LONGEST, SHORTEST = 1_400, 120
COMMON = frozenset(("the", "and", "for", "are", "was", "what", "who", "when", "where", "which", "why", "how", "does"))
LOOK_ALIKE = str.maketrans("aceopxyi", "асеорхуі")
LEET = str.maketrans("oieast", "013457")
SPECIAL = frozenset(("invisible", "encoded", "look-alikes"))
"""Families that disguise what the others say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A document for a query; `start` and `end` are where an attack stands in it, equal in an honest one."""

    query: str
    text: str
    source: str
    start: int = 0
    end: int = 0

    @property
    def hostile(self) -> bool:
        return self.end > self.start


def shared(data: Path) -> dict[str, list[Example]]:
    """Queries with their candidates, by set, and the titles of the candidates."""
    return {name: list(_of_set(data / name, name)) for name in SETS if (data / name).is_dir()}


def _of_set(folder: Path, name: str) -> Iterator[Example]:
    queries = {each["_id"]: each["text"] for each in _records(folder / "queries.jsonl")}
    corpus = {each["_id"]: each for each in _records(folder / "corpus.jsonl")}
    for line in (folder / "candidates.trec").read_text(encoding="utf-8").splitlines():
        query, _, document, rank, *_ = line.split()
        if int(rank) > FIRST_STAGE or document not in corpus:
            continue
        for part in ("text", "title"):
            if (corpus[document].get(part) or "").strip():
                source = name if part == "text" else f"{name} titles"
                yield Example(query=queries[query], text=corpus[document][part], source=source)


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def of_machine(rng: random.Random, most: int = 2_500) -> dict[str, list[Example]]:
    """Passages of manuals, documentation, code, settings and logs that are installed here, with a query from each."""
    packages = Path(sysconfig.get_paths()["purelib"])
    share = Path("/usr/share")
    kinds: dict[str, list[tuple[Path, str]]] = {
        "manuals": [(share / f"man/man{n}", "*.gz") for n in (1, 5, 7, 8)],
        "manuals, other languages": [(share / "man", f"{code}/*/*.gz") for code in _languages(share / "man")],
        "info": [(share / "info", "*.gz"), (share / "perl", "**/*.pod"), (share / "vim", "**/doc/*.txt")],
        "documentation": [
            (share, "**/*.rst"),
            (share, "**/*.md"),
            (share / "doc/git", "**/*.txt"),
            (packages, "**/*.md"),
        ],
        "packages": [(packages, "*.dist-info/METADATA")],
        "changes": [(share / "doc", "*/changelog*.gz"), (share / "doc", "*/NEWS*")],
        "code": [(packages, "*/*.py"), (packages, "*/*/*.py")],
        "scripts": [(share, "**/*.js"), (Path("/usr/lib"), "**/*.sh"), (share / "perl", "**/*.pm")],
        "settings": [(packages, "**/*.json"), (packages, "**/*.y*ml"), (Path("/etc"), "**/*.conf")],
        "pages": [(packages, "**/*.html"), (share, "**/*.html")],
        "logs": [(Path("/var/log"), "**/*.log")],
    }
    return {kind: list(_passages(kind, places, rng, most)) for kind, places in kinds.items()}


def _languages(manuals: Path) -> list[str]:
    return sorted(p.name for p in manuals.iterdir() if not p.name.startswith("man")) if manuals.is_dir() else []


def _passages(kind: str, places: Sequence[tuple[Path, str]], rng: random.Random, most: int) -> Iterator[Example]:
    files: list[Path] = []
    for folder, pattern in places:
        found = sorted(islice(folder.glob(pattern), 20_000)) if folder.is_dir() else []
        files += rng.sample(found, min(len(found), 600))
    made = 0
    for file in rng.sample(files, len(files)):
        text = _readable(file)
        starts = [rng.randrange(max(1, len(text) - 200)) for _ in range(4)] if text else []
        for start in starts:
            size = rng.randint(SHORTEST, LONGEST)
            begin = text.find("\n", start) + 1 or start
            passage = text[begin : begin + size].strip()
            if len(passage) >= SHORTEST:
                yield Example(query=_query_from(passage, rng), text=passage, source=kind)
                made += 1
        if made >= most:
            return


def _readable(file: Path) -> str:
    try:
        raw = file.read_bytes()[:400_000] if file.suffix != ".gz" else gzip.decompress(file.read_bytes())[:400_000]
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError, EOFError):
        return ""
    if "/man/" in str(file):
        text = re.sub(r"\\f[BIRP]|\\&|\\-", lambda m: "-" if m[0] == "\\-" else "", text)
        text = re.sub(r"(?m)^[.']\s*(?:\\\"|[a-zA-Z]{1,2}\b).{0,3}$|^[.'][A-Za-z]{1,2} ?", "", text)
    return text


def _query_from(passage: str, rng: random.Random) -> str:
    """Some words in a row, or some that stand apart, as a search would have them."""
    words = re.findall(r"[^\W_]{2,}", passage)
    if len(words) < 3:
        return "what is this"
    n = rng.randint(2, 8)
    if rng.random() < 0.5:
        at = rng.randrange(max(1, min(60, len(words) - n)))
        return rng.choice(("", "how to ", "what is ")) + " ".join(words[at : at + n])
    return " ".join(rng.sample(words, min(n, len(words))))


class Attacker:
    """Makes attacks from templates, seeded."""

    def __init__(self, rng: random.Random) -> None:
        held = yaml.safe_load((ROOT / "eval/guard/attacks.yaml").read_text(encoding="utf-8"))
        self._slots: dict[str, list[Any]] = held["slots"]
        self.families: dict[str, list[str]] = held["families"]
        self.honest: list[str] = [each.replace("{{", "{").replace("}}", "}") for each in held["honest"]]
        self._rng = rng

    def said(self, family: str, query: str) -> str:
        """What an attack of a family says; of one that disguises, the disguise is on it."""
        if family in SPECIAL:
            base = self._rng.choice(("instruction", "override", "echo", "authority", "completion", "paraphrase"))
            return self._disguised(family, self.said(base, query))
        template = self._rng.choice(self.families[family])
        numbers = self._rng.sample(range(1, 21), 4)
        words = {name: str(self._rng.choice(values)) for name, values in self._slots.items()}
        # A slot that stands twice is drawn twice. Doubled braces are braces.
        text = re.sub(r"\{(\w+)\}", lambda m: self._slot(m[1], query, words, numbers), template.replace("{{", "\x01"))
        text = text.replace("}}", "}").replace("\x01", "{")
        if self._rng.random() < 0.12:
            text = text.upper()
        elif self._rng.random() < 0.15:
            text = text.lower().rstrip(".")
        elif self._rng.random() < 0.5:
            text = text[:1].upper() + text[1:]
        if self._rng.random() < 0.25 and family not in ("stuffing", "forged ids", "completion"):
            text += " " + self.said(family, query)
        return text

    def _slot(self, name: str, query: str, words: dict[str, str], numbers: Sequence[int]) -> str:
        if name == "query":
            return query
        if name == "topic":
            kept = [word for word in re.findall(r"\w+", query) if word.lower() not in COMMON]
            return " ".join(kept) or query
        if name in ("n", "m", "k", "o"):
            return str(numbers["nmko".index(name)])
        return str(self._rng.choice(self._slots[name])) if self._rng.random() < 0.5 else words[name]

    def _disguised(self, family: str, text: str) -> str:
        pick = self._rng.random()
        if family == "invisible":
            if pick < 0.4:
                return "".join(chr(0xE0000 + ord(c)) for c in text if ord(c) < 128)
            if pick < 0.6:
                return "\u202e" + text[::-1] + "\u202c"
            return "\u200b".join(text) if pick < 0.8 else re.sub(r"(?<=\w)(?=\w)", "\u2060", text)
        if family == "look-alikes":
            return text.translate(LOOK_ALIKE)
        ways = (
            lambda t: base64.b64encode(t.encode()).decode(),
            lambda t: t.encode().hex(),
            lambda t: codecs.encode(t, "rot13"),
            lambda t: quote(t, safe=""),
            lambda t: "".join(f"\\u{ord(c):04x}" for c in t),
            lambda t: "".join(f"&#{ord(c)};" for c in t),
            lambda t: t[::-1],
            lambda t: t.translate(LEET),
            lambda t: "".join(f"\\x{b:02x}" for b in t.encode()),
        )
        return self._rng.choice(ways)(text)

    def attacked(self, family: str, query: str, carrier: str) -> Example:
        """An honest document with an attack in it: before, after, within, or instead of its text."""
        attack = self.said(family, query)
        gap = self._rng.choice((" ", "\n", "\n\n", ". "))
        pick = self._rng.random()
        if pick < 0.05:
            before, after = "", ""
        elif pick < 0.3:
            before, after = "", gap + carrier
        elif pick < 0.8:
            before, after = carrier + gap, ""
        else:
            ends = [match.end() for match in re.finditer(r"[.!?]\s+", carrier)] or [len(carrier)]
            at = self._rng.choice(ends)
            before, after = carrier[:at], gap + carrier[at:]
        return Example(
            query=query, text=before + attack + after, source=family, start=len(before), end=len(before) + len(attack)
        )

    def sprinkled(self, query: str, carrier: str) -> Example:
        """An honest document with an honest sentence in it that looks like an attack."""
        said, gap = self._rng.choice(self.honest), self._rng.choice((" ", "\n"))
        pick = self._rng.random()
        text = said if pick < 0.2 else carrier + gap + said if pick < 0.7 else said + gap + carrier
        return Example(query=query, text=text, source="honest, like attacks")


def all_families(attacker: Attacker) -> list[str]:
    return [*attacker.families, *sorted(SPECIAL)]


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
