"""Rankings written as JSON, whole, damaged or cut off."""

from __future__ import annotations

import re
from typing import Annotated, Any, cast

from pydantic import AliasChoices, Field, ValidationError, WithJsonSchema

from judge_rerank.prompting.replies.chains import (
    ID,
    UNKNOWN,
    Ids,
    as_number,
    bare_chain,
    bare_list,
    find_chains,
    introduces,
)
from judge_rerank.prompting.replies.json_text import first_json, objects, repaired_json, whole_json
from judge_rerank.prompting.replies.schemas import Reason, ReplyModel, read_reason

_ID_KEYS = ("id", "document", "doc", "passage", "document_id", "doc_id", "index", "number")
_PLAIN_ID = re.compile(r"#?(\d{1,20})")
_LIST_KEY = re.compile(r"""["']ranking["']\s{0,5}:\s{0,5}(?=\[)""")


class ListwiseReply(ReplyModel):
    """A ranking by document number."""

    reason: Reason = Field(default=None, validation_alias=AliasChoices("reason", "explanation", "rationale"))
    ranking: Annotated[
        list[object] | str,
        WithJsonSchema(
            {
                "type": "array",
                "items": {"type": "integer"},
                "description": "The numbers of all documents, each once, the most relevant first.",
            }
        ),
    ] = Field(
        validation_alias=AliasChoices(
            "ranking", "ranked_ids", "ranked", "rankings", "order", "results", "result", "ids"
        )
    )


def whole_reply(text: str, n: int) -> Ids | None:
    """The ranking of a reply that is what was asked for: an object with the numbers 1 to `n` and perhaps a reason."""
    value = whole_json(text)
    if not isinstance(value, dict):
        return None
    known = cast("dict[str, Any]", value)
    ids, reason = known.get("ranking"), known.get("reason")
    if not isinstance(ids, list) or not known.keys() <= {"ranking", "reason"}:
        return None
    numbers = cast("list[Any]", ids)
    if not _are_all(numbers, n):
        return None
    return Ids(ids=tuple(numbers), reason=None if reason is None else read_reason(reason))


def _are_all(ids: list[Any], n: int) -> bool:
    return all(type(number) is int for number in ids) and sorted(ids) == list(range(1, n + 1))


def from_objects(values: list[Any]) -> Ids | None:
    """The ranking in the objects among `values`, if there is one, or several that say the same."""
    found = rankings(values)
    return next(iter(found.values())) if len(found) == 1 else None


def rankings(values: list[Any]) -> dict[tuple[int, ...], Ids]:
    """The different rankings in the objects among `values`, the last of those that say the same."""
    return {ids.ids: ids for value in objects(values) if (ids := _from_object(value)) is not None}


def from_list(text: str) -> Ids | None:
    """A JSON list without an object around it: the whole text, its end, or one line; after an introduction or none."""
    found: list[Ids] = []
    start = 0
    for piece in (text, *text.splitlines(keepends=True)):
        bracket = piece.find("[")
        value = whole_json(piece[bracket:].rstrip(" .\n")) if bracket >= 0 else None
        if isinstance(value, list) and introduces(text[max(0, start + bracket - 200) : start + bracket]):
            ids = _in_list(cast("list[Any]", value))
            alone = bracket == 0 and piece == text
            if UNKNOWN not in ids and len(ids) > (0 if alone else 1):
                found.append(Ids(ids=ids, repairs=() if alone else ("text around the ranking ignored",)))
        start += len(piece) if piece != text else 0
    return found[0] if len({each.ids for each in found}) == 1 else None


def from_cut_list(text: str) -> Ids | None:
    """The numbers of a JSON ranking that was cut off, up to the last one that is surely whole."""
    key = _LIST_KEY.search(text)
    if key is None:
        return None
    value = first_json(text, key.end())
    if value is None:
        value = whole_json(text[key.end() : text.rfind(",")] + "]")
    return Ids(ids=_in_list(cast("list[Any]", value))) if isinstance(value, list) else None


def from_repaired(text: str) -> Ids | None:
    """The ranking in damaged JSON."""
    found = from_objects(repaired_json(text))
    return Ids(ids=found.ids, reason=found.reason, repairs=("damaged JSON repaired",)) if found else None


def _from_object(value: dict[str, Any]) -> Ids | None:
    try:
        read = ListwiseReply.model_validate(value)
    except ValidationError:
        return None
    ids = _in_string(read.ranking) if isinstance(read.ranking, str) else _in_list(read.ranking)
    return None if ids is None else Ids(ids=ids, reason=read.reason)


def _in_string(text: str) -> tuple[int, ...] | None:
    chains = find_chains(text)
    return chains[0].ids if len(chains) == 1 else bare_chain(text.strip()) or bare_list(text.strip())


def _in_list(items: list[Any]) -> tuple[int, ...]:
    """The numbers of a list; objects that bring a rank of their own stand in the order of their ranks."""
    if len(items) == 1 and isinstance(items[0], str) and (ids := _in_string(items[0])) is not None:
        return ids
    by_rank = {rank: item for item in items if (rank := _rank(item)) is not None}
    if by_rank and len(by_rank) == len(items):
        items = [by_rank[rank] for rank in sorted(by_rank)]
    return tuple(_in_item(item) for item in items)


def _rank(item: object) -> int | None:
    rank = cast("dict[Any, object]", item).get("rank") if isinstance(item, dict) else None
    return rank if isinstance(rank, int) else None


def _in_item(item: object) -> int:
    """The number that one item of a list stands for: 3, "3", "[3]", "Document 3", [3] or {"id": 3}."""
    if isinstance(item, dict):
        known = {str(key).lower(): value for key, value in cast("dict[Any, object]", item).items()}
        item = next((known[key] for key in _ID_KEYS if key in known), None)
    elif isinstance(item, list):
        inner = cast("list[object]", item)
        item = inner[0] if len(inner) == 1 else None
    if isinstance(item, str):
        short = item.strip()[:60]
        found = ID.fullmatch(short) or _PLAIN_ID.fullmatch(short)
        return as_number(next(digits for digits in found.groups() if digits)) if found else UNKNOWN
    if isinstance(item, float) and item.is_integer():
        item = int(item)
    return item if isinstance(item, int) and not isinstance(item, bool) and 0 <= item < 10**9 else UNKNOWN
