"""What the terminal can show: signs that its encoding has, tables that fit its width."""

from __future__ import annotations

import codecs
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from io import TextIOWrapper
from typing import Any

from rich.box import SIMPLE_HEAD, Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_PLAIN = {"→": ">", "↑": "^", "↓": "v", "·": "|", "…": "~", "–": "-"}
"""Our own signs, and what stands for them in ASCII; as long, so that columns stay where they are."""

_PLAIN_HEAD = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
_WIDE = 100
_HANDLER = "judge-rerank"
_PIECE = re.compile(r"[^(,>]*(?:\(|, ?|>> ?|$)|.")


def prepare_streams() -> None:
    """Let standard output and error take any text: what their encoding has not is spelled, and breaks nothing."""
    codecs.register_error(_HANDLER, _spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def speaks_unicode() -> bool:
    """Whether standard output can show more than ASCII."""
    try:
        "→…─".encode(sys.stdout.encoding or "utf-8")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def head_box() -> Box:
    """The lines of a table: one below its headings."""
    return SIMPLE_HEAD if speaks_unicode() else _PLAIN_HEAD


def width() -> int:
    """Columns of standard output."""
    return Console(file=sys.stdout).width


def gap() -> int:
    """Spaces between two columns: one where there is little room."""
    return 2 if width() >= _WIDE else 1


def head_table() -> Table:
    """A table without lines but the one below its headings."""
    return Table(box=head_box(), show_edge=False, pad_edge=False)


def slim_table() -> Table:
    """A `head_table` with `gap` between its columns."""
    table = head_table()
    table.padding = (0, gap() - 1, 0, 0)
    return table


def taken(columns: Iterable[Sequence[str]]) -> int:
    """The room of columns that show all of their cells, each with its gap."""
    return sum(max(map(len, cells)) + gap() for cells in columns)


def json_text(value: Any, *, indent: int | None = None, default: Callable[[Any], Any] | None = None) -> str:
    """JSON, in which standard output can show every character."""
    return json.dumps(value, ensure_ascii=not speaks_unicode(), indent=indent, default=default, allow_nan=False) + "\n"


def shortened_columns(rows: Sequence[Sequence[str]], most: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """How wide columns are that share some room: as their longest cell, at most `most`, and narrower where they must.

    Args:
        rows: cells, headings among them.
        most, least: columns at most, and at least, each.
        room: for all of them, each with its gap.
    """
    widths = [min(top, max(map(len, cells))) for top, cells in zip(most, zip(*rows, strict=True), strict=True)]
    while sum(widths) + gap() * len(widths) > room:
        spare = [have - need for have, need in zip(widths, least, strict=True)]
        if max(spare) <= 0:
            break
        widths[spare.index(max(spare))] -= 1
    return widths


def spec_table(heading: str, numbers: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> Table:
    """A table of strategies with numbers beside each; a long spec string goes on below, broken between its options."""
    table = slim_table()
    room = max(16, width() - taken(zip(numbers, *(values for _, values in rows), strict=True)))
    table.add_column(heading, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for spec, values in rows:
        table.add_row(Text(broken(spec, room)), *map(Text, values))
    return table


def broken(spec: str, room: int) -> str:
    """A spec string in lines of at most so many characters, which end where its parts do."""
    lines = [""]
    for piece in filter(None, _PIECE.findall(spec)):
        if lines[-1].strip() and len((lines[-1] + piece).rstrip()) > room:
            lines.append("  ")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """Characters that an encoding has not, as signs that it has, else by their numbers, as JSON does."""
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign) or json.dumps(sign)[1:-1] for sign in missing), error.end
