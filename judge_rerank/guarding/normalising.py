"""A text as a model reads it: without invisible characters, with look-alike letters in their plain form."""

from __future__ import annotations

import re
import unicodedata

_CYRILLIC, _CYRILLIC_AS_LATIN = "асеоруіјѕхһԁԛԝАВЕКМНОРСТХУІЈЅ", "aceopyijsxhdqwABEKMHOPCTXYIJS"
_GREEK, _GREEK_AS_LATIN = "οΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "oABEZHIKMNOPTYX"
_LOOK_ALIKE = str.maketrans(_CYRILLIC + _GREEK, _CYRILLIC_AS_LATIN + _GREEK_AS_LATIN)

INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
"""Characters that show nothing (Unicode's default-ignorable ones, and marks of direction)."""

_LETTERS = re.compile(r"[^\W\d_]+")
_LATIN = re.compile("[A-Za-z]")


def plain(text: str) -> str:
    """The text without invisible characters, in compatibility form (NFKC), and with words of mixed scripts in Latin."""
    if text.isascii():
        return text
    shown = unicodedata.normalize("NFKC", INVISIBLE.sub("", text))
    return shown if shown.isascii() else _LETTERS.sub(_unmixed, shown)


def mixed_words(text: str) -> int:
    """How many words have Latin letters and others that look like Latin ones."""
    if text.isascii():
        return 0
    return sum([_is_mixed(match[0]) for match in _LETTERS.finditer(text)])


def _is_mixed(word: str) -> bool:
    if word.isascii() or not _LATIN.search(word):
        return False
    return word.translate(_LOOK_ALIKE).isascii()


def _unmixed(match: re.Match[str]) -> str:
    return match[0].translate(_LOOK_ALIKE) if _is_mixed(match[0]) else match[0]
