"""The trace's tables: what goes into them and comes out. Texts are stored once, by their SHA-256.

A rendered message is stored as its parts: the prompt around the documents, and for each document the hash of its text
and how much of it was shown. So neither a prompt nor a document is repeated, however many windows show it, and the
exact message can still be put together again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Any, cast

from judge_rerank.core import (
    Candidate,
    Choice,
    Document,
    Failed,
    Message,
    Order,
    Outcome,
    Query,
    Ranking,
    Scores,
    redact,
    redact_params,
    without,
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS texts (hash TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rankings (
    id TEXT PRIMARY KEY, run TEXT NOT NULL, started REAL NOT NULL, query_id TEXT, query TEXT NOT NULL,
    strategy TEXT NOT NULL, model TEXT, documents TEXT NOT NULL,
    status TEXT, reasons TEXT, results TEXT, usage TEXT);
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, ranking TEXT NOT NULL, call INTEGER NOT NULL, attempt INTEGER NOT NULL, time REAL NOT NULL,
    task TEXT NOT NULL, stage TEXT NOT NULL, round INTEGER NOT NULL, window TEXT NOT NULL,
    prompt TEXT, prompt_hash TEXT, model TEXT, params TEXT NOT NULL, messages TEXT NOT NULL,
    latency_s REAL NOT NULL, input_tokens INTEGER, output_tokens INTEGER, cached_input_tokens INTEGER,
    cost_micro_usd INTEGER, cached INTEGER NOT NULL, reply TEXT, finish_reason TEXT, outcome TEXT, error TEXT);
CREATE INDEX IF NOT EXISTS rankings_run ON rankings (run, started);
CREATE INDEX IF NOT EXISTS calls_ranking ON calls (ranking);
"""

_INLINE = 64  # shorter texts stand where they are used: their hash would be longer
_ANCHOR = 48  # a document is looked for by its beginning, since its end may have been cut off
_KINDS: Mapping[str, type[Scores | Order | Choice | Failed]] = {
    kind.__name__: kind for kind in (Scores, Order, Choice, Failed)
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CallRecord:
    """One attempt at one call, or one look-up that the cache answered.

    Attributes:
        ranking: what `Trace.begin` returned.
        call: the number of the call in its ranking, from 1; attempts and re-asks share it.
        attempt: the number of the attempt at this call, from 1.
        time: when it was sent, in seconds since 1970.
        task, stage, round: what asked.
        candidates: the documents shown, in the order shown.
        prompt, prompt_hash: the template.
        messages: as sent.
        params: the caller's own parameters; secrets are left out when it is written.
        model: that answered, or was asked.
        latency_s: of this attempt.
        input_tokens, output_tokens, cached_input_tokens: of this attempt; for a cached reply, the original's.
        cost_usd: of this attempt; 0 for a cached reply, None where it is not known.
        cached: whether the reply came from the cache.
        reply, finish_reason: as it came; None when nothing came.
        outcome: what was read from it; None when there was nothing to read.
        error: what went wrong, if anything.
    """

    ranking: str
    call: int
    attempt: int = 1
    time: float
    task: str
    stage: str
    round: int
    candidates: tuple[Candidate, ...]
    prompt: str | None = None
    prompt_hash: str | None = None
    messages: tuple[Message, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    model: str | None = None
    latency_s: float = 0.0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cost_usd: Decimal | None = None
    cached: bool = False
    reply: str | None = None
    finish_reason: str | None = None
    outcome: Outcome | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TracedCall:
    """A call as the trace holds it: a `CallRecord` with the run, query and strategy that it belongs to.

    `window` holds the first-stage positions of the documents shown, in the order shown.
    """

    id: int
    run: str
    ranking: str
    query: Query
    strategy: str
    call: int
    attempt: int
    time: float
    task: str
    stage: str
    round: int
    window: tuple[int, ...]
    prompt: str | None
    prompt_hash: str | None
    messages: tuple[Message, ...]
    params: Mapping[str, Any]
    model: str | None
    latency_s: float
    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    cost_usd: Decimal | None
    cached: bool
    reply: str | None
    finish_reason: str | None
    outcome: Outcome | None
    error: str | None


class Writer:
    """Writes records through one connection. Known secrets are taken out of every text."""

    def __init__(self, connection: sqlite3.Connection, secrets: Collection[str]) -> None:
        self._connection = connection
        self._secrets = secrets
        self._stored: set[str] = set()

    def begin(
        self,
        ranking: str,
        *,
        run: str,
        started: float,
        query: Query,
        strategy: str,
        model: str | None,
        documents: Sequence[Document],
    ) -> None:
        """Note a ranking and its documents."""
        held = [
            {"text": self._text(d.text), "title": d.title, "id": d.id, "score": d.score and str(d.score)}
            for d in documents
        ]
        values = (ranking, run, started, query.id, self._clean(query.text), strategy, model, _json(held))
        self._insert("rankings", "id, run, started, query_id, query, strategy, model, documents", values)

    def finish(self, ranking: str, result: Ranking) -> None:
        """Note how a ranking came out."""
        order = [(r.index, r.relevance_score) for r in result.results]
        usage = {
            name: str(value) if isinstance(value, Decimal) else value for name, value in asdict(result.usage).items()
        }
        reasons = [redact(reason, self._secrets) for reason in result.reasons]
        self._connection.execute(
            "UPDATE rankings SET status = ?, reasons = ?, results = ?, usage = ?, model = COALESCE(model, ?)"
            " WHERE id = ?",
            (result.status, _json(reasons), _json(order), _json(usage), result.model, ranking),
        )

    def call(self, record: CallRecord) -> None:
        """Note an attempt."""
        documents = [candidate.document.text for candidate in record.candidates]
        messages = [[m.role, self._parts(m.content, documents)] for m in record.messages]
        outcome = record.outcome
        values = {
            "ranking": record.ranking,
            "call": record.call,
            "attempt": record.attempt,
            "time": record.time,
            "task": record.task,
            "stage": record.stage,
            "round": record.round,
            "window": _json([candidate.index for candidate in record.candidates]),
            "prompt": record.prompt,
            "prompt_hash": record.prompt_hash,
            "model": record.model,
            "params": _json(redact_params(record.params, self._secrets)),
            "messages": _json(messages),
            "latency_s": record.latency_s,
            "input_tokens": record.input_tokens,
            "output_tokens": record.output_tokens,
            "cached_input_tokens": record.cached_input_tokens,
            "cost_micro_usd": None if record.cost_usd is None else _micro_usd(record.cost_usd),
            "cached": record.cached,
            "reply": None if record.reply is None else self._clean(record.reply),
            "finish_reason": record.finish_reason,
            "outcome": None if outcome is None else _json({"kind": type(outcome).__name__} | asdict(outcome)),
            "error": None if record.error is None else _storable(redact(record.error, self._secrets)),
        }
        self._insert("calls", ", ".join(values), tuple(values.values()))

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
        return [self._clean(text)] if text else []

    def _text(self, text: str) -> str:
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if key not in self._stored:
            self._connection.execute("INSERT OR IGNORE INTO texts VALUES (?, ?)", (key, self._clean(text)))
            self._stored.add(key)
        return key

    def _clean(self, text: str) -> str:
        return _storable(without(text, self._secrets))

    def _insert(self, table: str, columns: str, values: tuple[Any, ...]) -> None:
        places = ", ".join("?" * len(values))
        self._connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", values)  # noqa: S608


class Texts:
    """Reads stored texts, each once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[str, str] = {}

    def get(self, key: str) -> str:
        """The text with this hash; "" if the trace lost it."""
        if key not in self._known:
            row = self._connection.execute("SELECT text FROM texts WHERE hash = ?", (key,)).fetchone()
            self._known[key] = row[0] if row else ""
        return self._known[key]

    def message(self, role: Any, parts: Iterable[Any]) -> Message:
        """A message from its parts."""
        return Message(role=role, content="".join(self._read(part) for part in parts))

    def _read(self, part: Any) -> str:
        return part if isinstance(part, str) else self.get(part[0])[: part[1] if len(part) > 1 else None]


def read_call(row: Mapping[str, Any], texts: Texts) -> TracedCall:
    """A call from its row, joined with its ranking's."""
    cost = row["cost_micro_usd"]
    values: dict[str, Any] = dict(row) | {
        "query": Query(text=row["query"], id=row["query_id"]),
        "window": tuple(json.loads(row["window"])),
        "messages": tuple(texts.message(role, parts) for role, parts in json.loads(row["messages"])),
        "params": json.loads(row["params"]),
        "cached": bool(row["cached"]),
        "cost_usd": None if cost is None else Decimal(cost).scaleb(-6),
        "outcome": None if row["outcome"] is None else _outcome(json.loads(row["outcome"])),
    }
    return TracedCall(**{name: values[name] for name in TracedCall.__dataclass_fields__})


def read_documents(row: Mapping[str, Any], texts: Texts) -> list[Document]:
    """The documents of a ranking, in first-stage order."""
    return [
        Document(text=texts.get(d["text"]), title=d["title"], id=d["id"], score=d["score"] and float(d["score"]))
        for d in json.loads(row["documents"])
    ]


def _outcome(stored: dict[str, Any]) -> Outcome:
    values: dict[str, Any] = {
        name: tuple(cast("list[Any]", value)) if isinstance(value, list) else value for name, value in stored.items()
    }
    kind: Any = _KINDS[str(values.pop("kind"))]
    return kind(**values)


def _shared(content: str, start: int, text: str) -> int:
    """How many characters of `text` stand in `content` from `start` on."""
    low, high = _ANCHOR, len(text)
    if content.startswith(text, start):
        return high
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if content.startswith(text[:middle], start) else (low, middle - 1)
    return low


def _micro_usd(cost_usd: Decimal) -> int:
    return int((cost_usd * 1_000_000).to_integral_value(ROUND_CEILING))


def _storable(text: str) -> str:
    """SQLite takes no lone surrogates."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), default=str)
