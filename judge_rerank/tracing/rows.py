"""What comes out of the rows of a trace: texts, messages, documents, calls."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from judge_rerank.core import Criterion, Document, Message, Outcome, Query, to_usd
from judge_rerank.storage import Sql
from judge_rerank.tracing.records import TracedCall
from judge_rerank.tracing.stored_ranking import passage_in, tupled

_KINDS: Mapping[str, Any] = {kind.__name__: kind for kind in get_args(Outcome)}


class Texts:
    """Reads stored texts, each once."""

    def __init__(self, connection: Sql) -> None:
        self._connection = connection
        self._known: dict[str, str] = {}

    def get(self, key: str) -> str:
        """The text with this hash; "" if the trace lost it."""
        if key not in self._known:
            row = self._connection.execute("SELECT text FROM texts WHERE hash = ?", (key,)).fetchone()
            self._known[key] = as_text(row["text"]) if row else ""
        return self._known[key]

    def message(self, role: Any, parts: Iterable[Any]) -> Message:
        """A message from its parts."""
        return Message(role=role, content=self.text(parts))

    def text(self, parts: Iterable[Any]) -> str:
        """A text from its parts."""
        return "".join(self._read(part) for part in parts)

    def _read(self, part: Any) -> str:
        return part if isinstance(part, str) else self.get(part[0])[: part[1] if len(part) > 1 else None]


def read_query(row: Mapping[str, Any]) -> Query:
    """The query of a ranking."""
    wishes = tupled(json.loads(row["wishes"] or "{}"))
    if "criteria" in wishes:
        wishes["criteria"] = tuple(Criterion(**each) for each in wishes["criteria"])
    return Query(text=as_text(row["query"]), id=None if row["query_id"] is None else as_text(row["query_id"]), **wishes)


def read_call(row: Mapping[str, Any], texts: Texts) -> TracedCall:
    """A call from its row, joined with its ranking's."""
    window, cost = json.loads(row["window"]), row["cost_micro_usd"]
    passages = json.loads(row["passages"]) if row["passages"] else [None] * len(window)
    values: dict[str, Any] = dict(row) | {
        "query": read_query(row),
        "window": tuple(window),
        "passages": tuple(passage_in(ends) for ends in passages),
        "messages": tuple(texts.message(role, parts) for role, parts in json.loads(row["messages"])),
        "params": json.loads(row["params"]),
        "cached": bool(row["cached"]),
        "cost_usd": None if cost is None else to_usd(cost),
        "reply": None if row["reply"] is None else as_text(row["reply"]),
        "error": None if row["error"] is None else as_text(row["error"]),
        "outcome": None if row["outcome"] is None else _outcome(json.loads(row["outcome"])),
    }
    return TracedCall(**{name: values[name] for name in TracedCall.__dataclass_fields__})


def read_documents(row: Mapping[str, Any], texts: Texts) -> list[Document]:
    """The documents of a ranking, in first-stage order."""
    return [
        Document(
            text=texts.get(held["text"]),
            title=held["title"],
            id=held["id"],
            score=None if held["score"] is None else _number(held["score"]),
            metadata=json.loads(texts.text(held.get("metadata", ())) or "{}"),
        )
        for held in json.loads(row["documents"])
    ]


def as_text(stored: str | bytes) -> str:
    """A text as it was before it was stored."""
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogatepass")


def _number(stored: float | str) -> float:
    """A score; the first version of the file holds it as text."""
    return float(stored) if isinstance(stored, str) else stored


def _outcome(stored: Mapping[str, Any]) -> Outcome:
    values = tupled(stored)
    return _KINDS[values.pop("kind")](**values)
