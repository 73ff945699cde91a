"""JSON in the text of a reply, however it is wrapped or damaged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

MAX_MENDED_CHARS = 20_000
"""Repairing is slow: what comes after this much damaged JSON is left as it is."""

_WORK_PER_CHAR, _LEAST_WORK = 2, 200_000
_MAX_DEPTH = 4
_OPENING = re.compile(r"[{\[]")
_INNERMOST = re.compile(r"\{[^{}]{1,4000}(?:\}|\Z)")
_CITING_KEY = re.compile(
    r"quot|cit(?:ed|ation)|inject|claim|instruct|sa(?:ys|id)|stat(?:es|ed|ement)|request|demand|echo|attempt|ignor|reject"
    r"|prompt|embedded|hidden|malicious|suggest|wants",
    re.IGNORECASE,
)
_KEY = re.compile(r"""[{,]\s{0,20}["'“]?(\w{1,40})["'”]?\s{0,5}:""")
_BARE_VALUE = re.compile(r"""([{,]\s{0,20}["'“]?\w{1,40}["'”]?\s{0,5}:\s{0,5})([^\s"'“”\[\]{},:][^,}\]\n"']{0,60})""")


class Contradiction:
    """Stands for the value of a key that an object has twice, with different values."""


CONTRADICTION = Contradiction()


def _as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = CONTRADICTION if key in found and not _same(found[key], value) else value
    return found


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and isinstance(one, (str, int, float, bool)) and one == other


_DECODER = json.JSONDecoder(object_pairs_hook=_as_object)


def whole_json(text: str) -> Any | None:
    """`text` as one JSON value, nothing before or after it; None where it is not."""
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def first_json(text: str, start: int) -> Any | None:
    """The JSON value that begins at `start`, whatever follows it; None where there is none."""
    try:
        return _DECODER.raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return None


def json_values(text: str) -> list[Any]:
    """The JSON objects and lists in `text`, in order; in a damaged one, the whole ones inside it."""
    return [value for _, _, value in json_spans(text)]


@lru_cache(maxsize=4)  # a reader asks several times about one reply
def json_spans(text: str) -> list[tuple[int, int, Any]]:
    """Where each of these begins and ends, and what it is.

    Failed attempts may cost twice the text's length in all, so that no text takes quadratic time.
    """
    found: list[tuple[int, int, Any]] = []
    work = max(_LEAST_WORK, _WORK_PER_CHAR * len(text))
    opening = _OPENING.search(text)
    while opening is not None and work > 0:
        try:
            value, end = _DECODER.raw_decode(text, opening.start())
            found.append((opening.start(), end, value))
        except (ValueError, RecursionError) as error:
            end = opening.end()
            work -= _effort(error, opening.start(), len(text))
        opening = _OPENING.search(text, end)
    return found


def innermost_objects(text: str) -> list[tuple[int, int]]:
    """Where braces with no others inside them begin and end, whatever they hold."""
    return [found.span() for found in _INNERMOST.finditer(text)]


def before_objects(text: str) -> str:
    """`text` up to the last JSON object in it, or list of them."""
    starts = [start for start, end, _ in json_spans(text) if "{" in text[start:end]]
    return text[: starts[-1]] if starts else text


def without_objects(text: str, *, lists: bool = True) -> str:
    """`text` with a blank in place of each JSON object, and of each list of them if `lists`."""
    kept: list[str] = []
    start = 0
    for begin, end, value in json_spans(text):
        if isinstance(value, dict) or (lists and "{" in text[begin:end]):
            kept += [text[start:begin], " "]
            start = end
    return "".join((*kept, text[start:]))


def _effort(error: Exception, start: int, length: int) -> int:
    """What a failed attempt cost, in characters: those read, and a share of all before, as their lines are counted."""
    # an open string was read to the end of the text, wherever it began
    stopped = isinstance(error, json.JSONDecodeError) and not error.msg.startswith("Unterminated")
    end = cast("json.JSONDecodeError", error).pos if stopped else length
    return 1 + end - start + end // 64


def repaired_json(text: str) -> list[Any]:
    """The objects that damaged JSON in `text` was probably meant to hold: quotes, commas and brackets put right.

    Each innermost object is repaired on its own, so that none takes parts of another; repairing nested ones can also
    take exponential time. Numbers and bare words come back as text, so that whatever the model wrote after one ("7 out
    of 100", "true or false") is still there to be judged. An object that has a key twice is left out.
    """
    values: list[Any] = []
    room = MAX_MENDED_CHARS
    for found in _INNERMOST.finditer(text):
        room -= len(found.group())
        if room < 0:
            break
        keys = _KEY.findall(found.group())
        if keys and len(set(keys)) == len(keys):
            values.append(_repaired(_BARE_VALUE.sub(_quoted, found.group())))
    return [value for value in values if isinstance(value, dict)]


def _quoted(value: re.Match[str]) -> str:
    return f'{value.group(1)}"{value.group(2).strip()}"'


def _repaired(text: str) -> object:
    import json_repair

    try:
        return cast("object", json_repair.loads(text, skip_json_loads=True))
    except Exception:  # a guess that fails, in whatever way, is no answer
        return None


def objects(values: list[Any]) -> Iterator[dict[str, Any]]:
    """The objects in `values`, outer before inner, a few levels deep, with keys in lower case.

    What stands under a key that says that it is cited ("injected", "document_says") is left out.
    """
    level: list[Any] = values
    for _ in range(_MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                known = cast("dict[Any, Any]", value)
                yield {str(key).strip().lower(): item for key, item in known.items()}
                below.extend(item for key, item in known.items() if not _CITING_KEY.search(str(key)[:100]))
            elif isinstance(value, list):
                below.extend(cast("list[Any]", value))
        level = below
