"""Words of a text, in the way that its script has them: what BM25 and the other lexical signals count."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from judge_rerank.core import languages_of

_ASCII_WORD = re.compile(r"\w+")

# One spelling for letters that writers use for one another, as Lucene's analyzers do.
_SAME = str.maketrans(
    {
        "أ": "ا",
        "إ": "ا",
        "ٱ": "ا",
        "آ": "ا",
        "ى": "ي",
        "ی": "ي",
        "ې": "ي",
        "ئ": "ي",
        "ؤ": "و",
        "ک": "ك",
        "ة": "ه",
        "ۀ": "ه",
        "ہ": "ه",
        "ھ": "ه",
        "ँ": "ं",
        "ऩ": "न",
        "ऱ": "र",
        "ऴ": "ळ",
        "ё": "е",
    }
)
# Arabic vowel marks and tatweel, the nukta of the Indic scripts, and what joins letters or keeps them apart.
_DROPPED = re.compile(
    "[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed\u093c\u09bc\u0a3c\u0abc\u0b3c\u00ad\u200b-\u200f\u2060]"
)
_ARTICLE = re.compile(r"^(?:[وفبكل]?ال|لل)(?=\w{3})")

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}ー"
_SYLLABIC = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_ROOTED = r"\p{Arabic}\p{Hebrew}\p{Syriac}"
_LATIN = r"\p{Latin}\p{N}_"
_LETTERS = {"rooted": 3, "latin": 4, "inflected": 4}
"""How many letters of a word go together: fewer where words grow from roots of three consonants."""


def words_of(text: str, *, latin_parts: bool = False) -> list[str]:
    """The words of a text, in one spelling (NFKC, case folded), or what stands for them in its script.

    Words are runs of letters, marks and digits, and in Latin script stay whole. Of Chinese, Japanese and Korean, the
    characters and their pairs are taken, of Thai, Lao, Khmer and Burmese the pairs of syllables, since no spaces tell
    where words end. In other scripts words are cut into all runs of four letters, in Arabic and Hebrew of three, which
    do for stems in every language. Arabic and Indic letters that stand for one another count as one; vowel marks and
    the Arabic article are left out.

    Args:
        text: of any language.
        latin_parts: whether words in Latin script are cut, too (`in_parts`).
    """
    if text.isascii() and not latin_parts:
        return _ASCII_WORD.findall(text.lower())
    folded = _DROPPED.sub("", unicodedata.normalize("NFKC", text).casefold()).translate(_SAME)
    found: list[str] = []
    for match in _pattern().finditer(folded):
        run, kind = match.group(), match.lastgroup
        if kind == "latin" and not latin_parts:
            found.append(run)
        elif kind == "unspaced":
            found += [*run, *map("".join, pairwise(run))]
        elif kind == "syllabic":
            syllables: list[str] = _syllables().findall(run)
            found += list(map("".join, pairwise(syllables))) or syllables
        else:
            found += _runs(_ARTICLE.sub("", run), _LETTERS[kind])
    return found


def in_parts(texts: Sequence[str]) -> bool:
    """Whether words in Latin script are to be cut: the texts are in languages that are known, and none is English."""
    languages = languages_of("", texts)
    return bool(languages) and "en" not in languages


def _runs(word: str, letters: int) -> list[str]:
    """All runs of so many letters; a shorter word as it is."""
    return [word[start : start + letters] for start in range(max(1, len(word) - letters + 1))]


@cache
def _pattern() -> Any:
    import regex  # English needs it seldom

    scripts = {"unspaced": _UNSPACED, "syllabic": _SYLLABIC, "rooted": _ROOTED, "latin": _LATIN}
    groups = [rf"(?P<{kind}>[{scripts[kind]}][{scripts[kind]}\p{{M}}]*)" for kind in scripts]
    other = rf"(?P<inflected>[[\p{{L}}\p{{M}}]--[{''.join(scripts.values())}]]+)"
    return regex.compile("|".join([*groups, other]), regex.VERSION1)


@cache
def _syllables() -> Any:
    import regex

    return regex.compile(r"\X")
