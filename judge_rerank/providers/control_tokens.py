"""Tokens by which a model tells who speaks and what ends where, kept out of the texts that it is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable


def any_of(tokens: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern of any of these tokens, the longest first; None where there are none of two characters or more."""
    longest_first = sorted({token for token in tokens if len(token) > 1}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def quoted(text: str, control: re.Pattern[str] | None) -> str:
    """`text` with its control tokens broken up: a model would obey them, wherever they stand.

    A document with `<|im_end|>` in it could otherwise end its own turn and speak as the system.
    """
    text = text.encode(errors="replace").decode()  # a lone surrogate is no text that could be sent
    return control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text) if control else text
