"""Where a text is cut so that it takes at most so many tokens."""

from __future__ import annotations

from collections.abc import Callable

CHARS_PER_TOKEN = 12
"""No tokenizer in use makes one token of more characters than this on average, so more need not be counted."""


def fitting(text: str, start: int, end: int, max_tokens: int, count: Callable[[str], int]) -> tuple[int, int]:
    """How far the text from `start` up to `end` fits into `max_tokens`, and the tokens of that part.

    It ends after a space where there is one in its last fifth. At least one character fits, whatever it takes.

    Args:
        count: how many tokens a text takes.
    """
    cut = min(end, start + max_tokens * CHARS_PER_TOKEN)
    tokens = count(text[start:cut])
    while tokens > max_tokens and cut - start > 1:
        cut = start + max(1, min((cut - start) * max_tokens // tokens, cut - start - 1))
        space = text.rfind(" ", start + (cut - start) * 4 // 5, cut)
        cut = space + 1 if space > start else cut
        tokens = count(text[start:cut])
    return cut, tokens
