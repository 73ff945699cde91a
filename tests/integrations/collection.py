"""Queries with candidates and grades: of wikiqa where ../shared/data has it, else of a small made collection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from judge_rerank import Document, Judge, Query, Ranking
from judge_rerank.readers import read_qrels, read_run
from judge_rerank.testing import FakeBackend, SimulatedJudge

DATA = Path(__file__).parents[3] / "shared" / "data" / "wikiqa"
TOPICS = 15
MOST = 20


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A query, its candidates in first-stage order, and their grades."""

    id: str
    text: str
    documents: tuple[tuple[str, str], ...]
    grades: tuple[float, ...]

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.documents]


@cache
def topics() -> tuple[Topic, ...]:
    return tuple(_of_wikiqa() if DATA.is_dir() else _made())


def backend(*, latency_s: float = 0.0, noise: float = 0.3) -> SimulatedJudge:
    """A judge that knows the grades, under the text of the query, of documents with and without ids."""
    qrels = {
        topic.text: {
            name: grade
            for place, ((identifier, _), grade) in enumerate(zip(topic.documents, topic.grades, strict=True))
            for name in (identifier, str(place))
        }
        for topic in topics()
    }
    qrels |= {topic.id: qrels[topic.text] for topic in topics()}
    return SimulatedJudge(qrels, noise=noise, latency_s=latency_s)


def ranked(topic: Topic, strategy: str, *, ids: bool = True, query_id: bool = False, **options: object) -> Ranking:
    """What `judge.rerank` makes of a topic: the order that every adapter has to give."""
    documents = [Document(id=name if ids else None, text=text) for name, text in topic.documents]
    query = Query(text=topic.text, id=topic.id if query_id else None)
    return Judge(backend()).rerank(query, documents, strategy, **options)


def partly_judged() -> Judge:
    """A judge whose second and later replies cannot be read."""
    return Judge(FakeBackend(['{"score": 9}', "no"]))


def overlapping(make: Callable[[Judge], Callable[[], Awaitable[object]]]) -> None:
    """Two rankings at once overlap, and the event loop goes on meanwhile."""
    model = backend(latency_s=0.3)
    ask = make(Judge(model, strategy="listwise"))

    async def both() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        await asyncio.gather(ask(), ask())
        ticking.cancel()
        return ticks

    ticks = asyncio.run(both())
    assert ticks >= 5
    assert model.most_at_once == 2


def _of_wikiqa() -> list[Topic]:
    texts = {each["_id"]: each["text"] for each in _lines("corpus")}
    grades, run = read_qrels(DATA / "qrels.tsv"), read_run(DATA / "candidates.trec")
    found: list[Topic] = []
    for query in _lines("queries"):
        ids = [entry.document_id for entry in run.get(query["_id"], ())][:MOST]
        known = grades.get(query["_id"], {})
        if len(ids) >= 5 and any(known.get(name) for name in ids):
            documents = tuple((name, texts[name]) for name in ids)
            found.append(
                Topic(
                    id=query["_id"],
                    text=query["text"],
                    documents=documents,
                    grades=tuple(known.get(name, 0.0) for name in ids),
                )
            )
    return found[:TOPICS]


def _lines(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text("utf-8").splitlines()]


def _made() -> list[Topic]:
    subjects = ("brakes", "chains", "saddles", "lamps", "bells")
    return [
        Topic(
            id=f"q{place}",
            text=f"what is to be known about {subject}?",
            documents=tuple((f"d{place}-{n}", f"Sentence {n} about {subject}.") for n in range(8)),
            grades=tuple(float((3 * n + place) % 8) for n in range(8)),
        )
        for place, subject in enumerate(subjects)
    ]
