"""What goes into a trace. Texts are stored once, by their SHA-256.

A rendered message is stored as its parts: the prompt around the documents, and for each document the hash of its text
and how much of it was shown. So neither a prompt nor a document is repeated, however many windows show it, and the
exact message can still be put together again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from judge_rerank.core import (
    Document,
    Query,
    Ranking,
    billed_micro_usd,
    plain_without,
    redact,
    redact_params,
    secrets_in,
)
from judge_rerank.storage import Sql, is_encodable
from judge_rerank.tracing.records import CallRecord
from judge_rerank.tracing.stored_ranking import ends, to_columns

_INLINE = 64  # shorter texts stand where they are used: their hash would be longer
_KEPT = tuple(name for name in CallRecord.__dataclass_fields__ if name not in {"candidates", "cost_usd"})
_ANCHOR = 48  # a document is looked for by its beginning, since its end may have been cut off


class Writer:
    """Writes records through one connection. Known secrets are taken out of every text.

    Args:
        connection: to the trace.
        secrets: what is taken out.
        most_known: of how many texts it remembers that they are stored; one that it forgets is handed in again.
    """

    def __init__(self, connection: Sql, secrets: Collection[str], *, most_known: int = 100_000) -> None:
        self._connection = connection
        self._secrets, self._most_known = secrets, most_known
        self._stored: set[str] = set()
        self._new_texts: dict[str, str | bytes] = {}
        self._statements: dict[str, str] = {}
        self._params_before: tuple[dict[str, Any], str] = {}, "{}"

    def begin(
        self,
        ranking: str,
        query: Query,
        documents: Sequence[Document],
        *,
        run: str,
        started: float,
        strategy: str,
        model: str | None,
    ) -> None:
        """Note a ranking and its documents."""
        wishes = {name: value for name, value in asdict(query).items() if name not in ("id", "text") and value}
        held = self._cleaned([query.id, query.text, wishes, *(_held(document) for document in documents)])
        query_id, text, wishes, *shown = held
        values = {
            "id": ranking,
            "run": run,
            "started": started,
            "query_id": None if query_id is None else storable(query_id),
            "query": storable(text),
            "wishes": _json(wishes) if wishes else None,
            "strategy": strategy,
            "model": model,
            "documents": _json([self._document(document) for document in shown]),
        }
        self._insert("rankings", values)

    def finish(self, ranking: str, result: Ranking) -> None:
        """Note how a ranking came out."""
        columns = to_columns(result) | {"reasons": [redact(reason) for reason in result.reasons]}
        stored = {name: _json(value) for name, value in self._cleaned(columns).items()}
        stored |= {"status": result.status, "strategy": result.strategy}
        changes = ", ".join(f"{name} = ?" for name in stored)
        self._connection.execute(
            f"UPDATE {self._connection.table('rankings')} SET {changes}, model = COALESCE(?, model) WHERE id = ?",  # noqa: S608
            (*stored.values(), result.model, ranking),
        )

    def call(self, record: CallRecord) -> None:
        """Note an attempt."""
        outcome = record.outcome
        passages = [candidate.passage for candidate in record.candidates]
        # Documents are only looked for in what was sent: a scorer, which is sent nothing, may have scored thousands.
        documents = [candidate.document.text for candidate in record.candidates] if record.messages else []
        documents, messages, reply, said = self._cleaned(
            [documents, [(message.role, message.content) for message in record.messages], record.reply, outcome]
        )
        kept = {name: getattr(record, name) for name in _KEPT}
        self._insert(
            "calls",
            kept
            | {
                "window": _json([candidate.index for candidate in record.candidates]),
                "passages": _json([None if passage is None else ends(passage) for passage in passages]),
                "params": self._params(record.params),
                "messages": _json([[role, self._parts(content, documents)] for role, content in messages]),
                "cost_micro_usd": None if record.cost_usd is None else billed_micro_usd(record.cost_usd),
                "reply": None if reply is None else storable(reply),
                "outcome": None if outcome is None else _json({"kind": type(outcome).__name__} | said),
                "error": None if record.error is None else self._error(record.error, record.params),
            },
        )

    def flush(self) -> None:
        """Write the texts that were met. They are in order, so that no two writers wait for each other."""
        if self._new_texts:
            statement = f"INSERT INTO {self._connection.table('texts')} VALUES (?, ?) ON CONFLICT DO NOTHING"  # noqa: S608
            self._connection.executemany(statement, sorted(self._new_texts.items()))
            self._new_texts.clear()

    def _params(self, params: Mapping[str, Any]) -> str:
        """The caller's parameters without secrets; for most calls they are those of the call before."""
        if params != self._params_before[0]:
            self._params_before = dict(params), _json(redact_params(params, self._secrets))
        return self._params_before[1]

    def _error(self, error: str, params: Mapping[str, Any]) -> str | bytes:
        return storable(redact(error, (*self._secrets, *secrets_in(params))))

    def _document(self, held: dict[str, Any]) -> dict[str, Any]:
        metadata = _json(held["metadata"]) if held["metadata"] else ""
        return held | {"text": self._text(held["text"]), "metadata": self._part(metadata)}

    def _parts(self, content: str, documents: Sequence[str]) -> list[Any]:
        """A text as it stands, `[hash]` for a stored one, `[hash, n]` for the first n characters of a stored one."""
        found: list[tuple[int, int, str]] = []
        for text in documents:
            start = content.find(text[:_ANCHOR]) if len(text) > _INLINE else -1
            if start >= 0:
                found.append((start, start + _shared(content, start, text), text))
        parts: list[Any] = []
        end = 0
        for start, stop, text in sorted(found):
            if start >= end:
                parts += [*self._part(content[end:start]), [self._text(text), stop - start]]
                end = stop
        return [*parts, *self._part(content[end:])]

    def _part(self, text: str) -> list[Any]:
        if len(text) > _INLINE:
            return [[self._text(text)]]
        return [text] if text else []

    def _text(self, text: str) -> str:
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if key not in self._stored:
            if len(self._stored) >= self._most_known:
                self._stored.clear()
            self._new_texts[key] = storable(text)
            self._stored.add(key)
        return key

    def _cleaned(self, value: Any) -> Any:
        """All the texts of a record at once, in JSON types, without known secrets."""
        return plain_without(value, self._secrets)

    def _insert(self, table: str, values: Mapping[str, Any]) -> None:
        if table not in self._statements:
            places = ", ".join("?" * len(values))
            names = ", ".join(f'"{name}"' for name in values)
            self._statements[table] = f"INSERT INTO {self._connection.table(table)} ({names}) VALUES ({places})"  # noqa: S608
        self._connection.execute(self._statements[table], tuple(values.values()))


def _held(document: Document) -> dict[str, Any]:
    score = document.score
    return {
        "title": document.title,
        "id": document.id,
        "score": score if score is None or isinstance(score, int) else float(score),
        "text": document.text,
        "metadata": document.metadata,
    }


def _shared(content: str, start: int, text: str) -> int:
    """How many characters of `text` stand in `content` from `start` on."""
    low, high = _ANCHOR, len(text)
    if content.startswith(text, start):
        return high
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if content.startswith(text[:middle], start) else (low, middle - 1)
    return low


def storable(text: str) -> str | bytes:
    """The text as SQLite takes it: one with lone surrogates as bytes."""
    return text if text.isascii() or is_encodable(text) else text.encode("utf-8", "surrogatepass")


_json = json.JSONEncoder(separators=(",", ":")).encode
