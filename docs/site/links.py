"""Links of pages that stand elsewhere on the site than in the repository."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from posixpath import dirname, normpath, relpath

_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]*)(#[^)\s]*)?\)")
_FENCED = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)


def led_to_pages(text: str, *, page: str, source: str, moved: dict[str, str], pages: Collection[str]) -> str:
    """A page whose links lead to pages of the site; what is not on the site is named without a link.

    Args:
        text: the page's Markdown.
        page: its place on the site.
        source: its place in the repository.
        moved: the place on the site of the files of the repository that do not stand in docs/.
        pages: all places on the site.
    """

    def led(match: re.Match[str]) -> str:
        label, target, anchor = match[1], match[2], match[3] or ""
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        wanted = normpath(f"{dirname(source)}/{target}") if dirname(source) else normpath(target)
        place = moved.get(wanted, wanted.removeprefix("docs/") if wanted.startswith("docs/") else None)
        if place is None or place not in pages:
            return label
        return f"[{label}]({relpath(place, dirname(page) or '.')}{anchor})"

    return _outside_code(text, lambda prose: _LINK.sub(led, prose))


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """The page with everything changed that does not stand in a fenced block."""
    return "".join(part if place % 2 else change(part) for place, part in enumerate(_FENCED.split(text)))
