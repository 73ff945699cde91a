"""The words that a text uses when it speaks to a judge, by class: verbs of judging, scores, documents, claims, ..."""

from __future__ import annotations

import codecs
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_UNSPACED = frozenset(("zh", "ja", "ko", "ar", "hi"))
"""Languages whose words are looked for anywhere in a text: no spaces, or endings that a list would not hold."""
_SHORTEST_DISGUISED = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Lexicon:
    """Words by class.

    Attributes:
        classes: the names of the classes; class i is bit i of a mask.
        masks: by word, the classes that it belongs to.
        unspaced: finds words of scripts that need no spaces; None where a text cannot have any.
        unspaced_masks: their classes.
        disguised: the English words by what rot13 makes of them, and by what they are when read backwards.
    """

    classes: tuple[str, ...]
    masks: Mapping[str, int]
    unspaced: re.Pattern[str]
    unspaced_masks: Mapping[str, int]
    disguised: Mapping[str, str]

    def bit(self, name: str) -> int:
        """The bit of a class."""
        return 1 << self.classes.index(name)


@cache
def lexicon() -> Lexicon:
    """The lexicon that the package ships."""
    source = files("judge_rerank.guarding").joinpath("lexicon.json")
    record: dict[str, dict[str, str]] = json.loads(source.read_text(encoding="utf-8"))
    masks: dict[str, int] = {}
    unspaced: dict[str, int] = {}
    english: set[str] = set()
    for place, by_language in enumerate(record.values()):
        for language, words in by_language.items():
            for word in words.split():
                held = unspaced if language in _UNSPACED else masks
                for spelling in {word, _plain(word)} if held is masks else {word}:
                    held[spelling] = held.get(spelling, 0) | 1 << place
                if language == "en" and word.isalpha() and len(word) >= _SHORTEST_DISGUISED:
                    english.add(word)
    disguised = {codecs.encode(word, "rot13"): "rot13" for word in english} | {
        word[::-1]: "reversed" for word in english if word[::-1] not in masks
    }
    longest_first = sorted(unspaced, key=len, reverse=True)
    return Lexicon(
        classes=tuple(record),
        masks=masks,
        unspaced=re.compile("|".join(map(re.escape, longest_first))),
        unspaced_masks=unspaced,
        disguised={word: kind for word, kind in disguised.items() if word not in masks},
    )


def _plain(word: str) -> str:
    """The word without accents, as many people type it."""
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
