"""A judge that knows the grades, reads any reranker's prompt, and answers in the form that it asks for.

It finds the documents by their text, in whatever frame and order a prompt shows them, so that every reranker has the
same judge. The error on a grade depends on the query and on the documents shown, not on the words around them: two
rerankers that show the same documents in the same order get the same answer.
"""

from __future__ import annotations

import json
import math
import random
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.provider import Answer, Asked, Step
from tests.provider.meter import quarter_of_bytes

TOP_GRADE = 3
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PREFIX = 80
"""How much of a text, in letters and digits, has to be there when the text was cut or repaired on its way."""
_NOT_RELEVANT = 0.5
"""The grade below which a document is left out of a reply that is to reservation only relevant ones."""


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A query, its candidates in first-stage order, and what the judge takes their grades to be."""

    query: str
    texts: Sequence[str]
    grades: Sequence[float]


@dataclass(kw_only=True)
class Log:
    """What was asked about one query: calls, tokens, and the places of the documents that a reply gave a place."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    stated: set[int] = field(default_factory=set[int])


class PromptReader:
    """Finds a topic's documents in a prompt, whatever stands around them."""

    def __init__(self, topics: Sequence[Topic]) -> None:
        self._topics = sorted(((_bare(topic.query), topic) for topic in topics), key=lambda pair: -len(pair[0]))
        self._texts = {id(topic): [_bare(text) for text in topic.texts] for topic in topics}

    def read(self, prompt: str) -> tuple[Topic | None, list[int]]:
        """The topic, None for a query that is not known, and the places of its documents in the order shown."""
        bare = _bare(prompt)
        topic = next((topic for query, topic in self._topics if query in bare), None)
        return (topic, self._shown(bare, self._texts[id(topic)])) if topic is not None else (None, [])

    @staticmethod
    def _shown(prompt: str, texts: Sequence[str]) -> list[int]:
        taken = bytearray(len(prompt))
        found: dict[int, int] = {}
        # The longest first, since a short text may be a part of a longer one; and what stands there in full before what
        # only begins like it, since some passages differ in their last words.
        by_length = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        for sought in (texts, [text[:_PREFIX] for text in texts]):
            for place in by_length:
                if place in found:
                    continue
                start = prompt.find(sought[place])
                while start >= 0 and taken[start]:
                    start = prompt.find(sought[place], start + 1)
                if start >= 0:
                    taken[start : start + len(sought[place])] = b"\x01" * len(sought[place])
                    found[place] = start
        return sorted(found, key=lambda place: found[place])


class QrelsJudge:
    """The judge; give one to a `Provider`.

    Args:
        topics: what it knows.
        noise: standard deviation of its error on a grade.
        seed: of the errors.
        slips: the share of replies that are not what was asked for: a refusal, ids left out, an id repeated and one
            made up, or a sentence with a number before the answer; each a quarter of it.

    Attributes:
        logs: by query.
    """

    def __init__(self, topics: Sequence[Topic], *, noise: float, seed: int = 0, slips: float = 0.0) -> None:
        self._reader, self._noise, self._seed, self._slips = PromptReader(topics), noise, seed, slips
        self._lock = threading.Lock()
        self.logs: dict[str, Log] = {topic.query: Log() for topic in topics}

    def __call__(self, asked: Asked) -> Answer:
        topic, shown = self._reader.read(asked.text)
        if topic is None:  # somebody warms up
            return _answer(asked, [1.0, 0.0], [0, 1])
        grades = self._noisy(topic, shown)
        best_first = sorted(range(len(shown)), key=lambda place: -grades[place])
        answer, stated = self._slipped(asked, grades, best_first)
        with self._lock:
            log = self.logs[topic.query]
            log.calls += 1
            log.input_tokens += quarter_of_bytes(asked.text)
            log.output_tokens += quarter_of_bytes(answer.text)
            log.stated.update(shown[place] for place in stated)
        return answer

    def _noisy(self, topic: Topic, shown: Sequence[int]) -> list[float]:
        dice = random.Random(json.dumps([self._seed, topic.query, list(shown)]))
        return [topic.grades[place] + dice.gauss(0, self._noise) for place in shown]

    def _slipped(self, asked: Asked, grades: Sequence[float], best_first: list[int]) -> tuple[Answer, Sequence[int]]:
        """The reply, and the documents that it gives a place."""
        dice = random.Random(f"{self._seed}/{asked.text}")
        kind = int(dice.random() / self._slips * 4) if self._slips else 4
        if kind == 0:
            return Answer(text="I'm sorry, but I can't help with ranking these passages."), []
        if kind == 1:
            best_first = best_first[: -(-len(best_first) * 3 // 4)]
        answer = _answer(asked, grades, best_first, spoilt=kind == 2)
        if kind == 3 and not answer.steps:
            answer = Answer(text=f"Here are the {len(grades)} passages ranked:\n{answer.text}")
        chosen = _chooses(asked)
        return answer, range(len(grades)) if chosen else best_first


def _chooses(asked: Asked) -> bool:
    """Whether the prompt wants the best alone, which says something about all that were shown."""
    return _kind(asked) in {"best", "winner", "label", "letter", "selected"}


def _kind(asked: Asked) -> str:
    fields = set((asked.schema or {}).get("properties", {}))
    if asked.top_logprobs and asked.schema is None:
        return "letter"
    for name in ("ranked_document_ids", "ranking", "best"):
        if name in fields:
            return name
    if "only the passage label" in asked.prompt:
        return "label"
    if "Doc: 9, Relevance: 7" in asked.prompt:
        return "relevance"
    for name in ("selected", "winner", "ranking", "best"):
        if f'"{name}":' in asked.prompt:
            return name
    return "chain"


def _answer(asked: Asked, grades: Sequence[float], best_first: Sequence[int], *, spoilt: bool = False) -> Answer:
    kind = _kind(asked)
    if kind == "letter":
        return _letter(grades, best_first)
    if kind in {"best", "winner", "label"}:
        letter = _LETTERS[best_first[0]]
        return Answer(text=f"Passage {letter}" if kind == "label" else json.dumps({kind: letter}))
    if kind == "selected":
        wanted = re.search(r"most relevant (\d+) candidate", asked.prompt)
        best_first = best_first[: int(wanted[1]) if wanted else 1]
    first = 0 if kind == "ranked_document_ids" else 1
    ids = [place + first for place in best_first]
    if spoilt:
        ids = [*ids[:1], *ids[:1], *ids[2:], len(grades) + 900]
    if kind == "chain":
        return Answer(text=" > ".join(f"[{one}]" for one in ids))
    if kind == "relevance":
        return Answer(text="\n".join(_relevance_lines(grades, best_first)))
    return Answer(text=json.dumps({kind: ids}))


def _relevance_lines(grades: Sequence[float], best_first: Sequence[int]) -> Sequence[str]:
    return [
        f"Doc: {place + 1}, Relevance: {min(10, max(1, round(1 + 9 * grades[place] / TOP_GRADE)))}"
        for place in best_first
        if grades[place] >= _NOT_RELEVANT
    ]


def _letter(grades: Sequence[float], best_first: Sequence[int]) -> Answer:
    """The letter of the best document, with a log-probability for each that is named."""
    best = max(grades)
    weights: Mapping[str, float] = {_LETTERS[place]: math.exp(grades[place] - best) for place in best_first}
    total = sum(weights.values())
    top = {letter: math.log(weight / total) for letter, weight in weights.items()}
    said = _LETTERS[best_first[0]]
    return Answer(text=said, steps=(Step(token=said, top=top),))


def _bare(text: str) -> str:
    """Letters and digits alone: rerankers change punctuation, and some repair letters that were decoded wrongly."""
    return re.sub(r"[^a-z0-9]+", "", text.lower())
