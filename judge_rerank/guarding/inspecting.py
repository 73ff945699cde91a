"""Looks at a document for parts that are written for the judge."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from judge_rerank.core import Document, Finding, Query, ShownFields
from judge_rerank.guarding.asking import Asked
from judge_rerank.guarding.disguises import Disguise, disguises
from judge_rerank.guarding.echoes import echoes
from judge_rerank.guarding.features import NAMES, Text
from judge_rerank.guarding.lines import ECHO, of_line, of_whole
from judge_rerank.guarding.model import GuardModel, shipped
from judge_rerank.guarding.normalising import mixed_words
from judge_rerank.guarding.reasons import is_heading, reason_of
from judge_rerank.guarding.segments import is_markup

_FEWEST_MIXED = 2
_QUESTION = re.compile(r"\s*(?:q|question|query|user)\s*[:：]", re.IGNORECASE)
_REPLY = re.compile(r"\s*(?:a|answer|ans|response|reply)\s*[:：]", re.IGNORECASE)

_SURE = 0.9
"""The score of a line that is known by a rule."""
_DOUBTED, _DOUBTED_BESIDE = 0.1, 0.02
"""The probability from which a sentence is left out of a second question, and of one beside such a sentence.

About one honest passage in a hundred has one.
"""
_DEEPEST = 2
"""How many times something decoded is looked at again: text in base64 in URL escapes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    start: int
    end: int
    reason: str
    score: float


def inspect(
    query: str | Query, document: str | Document, *, index: int = 0, fields: ShownFields = (), doubts: bool = False
) -> list[Finding]:
    """The suspicious parts of a document, in the order in which they stand: title, fields, text.

    Local and quick: no call, no network, well under two milliseconds for a passage. Parts are whole sentences or lines,
    or what is disguised in them. Most attacks that nobody has seen before are not recognised for certain; see the
    figures in `docs/security.md`.

    Args:
        query: what the document is to be judged for; a part may be suspicious since it only repeats the query.
        document: the document, or its text.
        index: its position in the caller's list, for the findings.
        fields: its metadata that the judge is shown.
        doubts: report also what one document in a hundred has without being written for a judge, and where the query is
            repeated.
    """
    document = Document(text=document) if isinstance(document, str) else document
    asked = _asked(query if isinstance(query, str) else query.text)
    model = shipped(NAMES)
    model = replace(model, threshold=_DOUBTED, beside=_DOUBTED_BESIDE) if doubts else model
    shown = [("title", document.title or ""), *fields, ("text", document.text)]
    return [
        Finding(index=index, start=part.start, end=part.end, reason=part.reason, score=part.score, part=name)
        for name, text in shown
        for part in suspicious(text, asked, model, doubts=doubts, whole=name != "text")
    ]


def suspicious(
    text: str, asked: Asked, model: GuardModel, *, doubts: bool = False, whole: bool = False
) -> Sequence[_Part]:
    """The suspicious parts of one text, in the order in which they stand, none overlapping another.

    Args:
        text: the text.
        asked: what it is to be judged for.
        model: what knows sentences.
        doubts: report also where the query is repeated.
        whole: also if the text is nothing but the query.
    """
    if not text.strip():
        return ()
    if reason := of_whole(text):
        start = len(text) - len(text.lstrip())
        return (_Part(start=start, end=start + len(text.strip()), reason=reason, score=1.0),)
    looked = Text(text, asked)
    found = [*_sentences(text, looked, asked, model), *_disguised(text, asked, model)]
    if doubts:
        repeats = _repeats(text, looked, asked, whole=whole)
        found += [_Part(start=start, end=end, reason=ECHO, score=model.threshold) for start, end in repeats]
    return _merged(sorted(found, key=lambda part: (part.start, -part.end)))


def _scored(looked: Text, *, disguised: bool, model: GuardModel) -> Iterator[tuple[int, float]]:
    """The sentences of a text that are worth a look, with their probability."""
    for place in range(len(looked.segments)):
        if looked.worth(place):
            vector = looked.vector(place, disguised=disguised)
            harmless = is_heading(vector) or is_markup(looked.segments[place].text)
            yield place, 0.0 if harmless else model.probability(vector)


def _part(looked: Text, place: int, reason: str, score: float) -> _Part:
    segment = looked.segments[place]
    return _Part(start=segment.start, end=segment.end, reason=reason, score=round(score, 4))


def _repeats(text: str, looked: Text, asked: Asked, *, whole: bool) -> list[tuple[int, int]]:
    """Where the query is repeated. A text that is nothing else may be a question that was searched for."""
    parts = list(echoes(text, looked, asked))
    bounds = [0, *(at for part in parts for at in part), len(text)]
    left = (text[start:end] for start, end in zip(bounds[::2], bounds[1::2], strict=True))
    return parts if whole or any(any(map(str.isalnum, each)) for each in left) else []


def _sentences(text: str, looked: Text, asked: Asked, model: GuardModel) -> Iterator[_Part]:
    ruled = {place: found for place in range(len(looked.segments)) if (found := of_line(text, looked, place, asked))}
    scores = {place: p for place, p in _scored(looked, disguised=False, model=model) if place not in ruled}
    certain = {*ruled, *(place for place, p in scores.items() if p >= model.threshold)}
    for place, reason in ruled.items():
        yield _part(looked, place, reason, _SURE)
    for place, p in scores.items():
        beside = p >= model.beside and (place - 1 in certain or place + 1 in certain)
        if place in certain or beside or _other_half(looked, place, certain):
            # Beside a suspicious sentence it is as suspicious as the least of them.
            yield _part(looked, place, reason_of(looked.vector(place)), max(p, model.threshold))
    if not text.isascii():
        yield from _look_alikes(text)


def _other_half(looked: Text, place: int, certain: Collection[int]) -> bool:
    """Whether it is the question to a suspicious answer, or the answer to a suspicious question."""
    text = looked.segments[place].text
    return bool((place + 1 in certain and _QUESTION.match(text)) or (place - 1 in certain and _REPLY.match(text)))


def _look_alikes(text: str) -> Iterator[_Part]:
    for line_start, line in _lines(text):
        if mixed_words(line) >= _FEWEST_MIXED:
            reason = "words spelled with look-alike letters of another script"
            yield _Part(start=line_start, end=line_start + len(line), reason=reason, score=1.0)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.splitlines(keepends=True):
        shown = line.rstrip()
        if shown:
            yield start, shown
        start += len(line)


def _disguised(text: str, asked: Asked, model: GuardModel, depth: int = 1) -> Iterator[_Part]:
    for disguise in disguises(text):
        score = 1.0 if disguise.certain else _worst(disguise, asked, model, depth)
        if score >= model.threshold:
            yield _Part(start=disguise.start, end=disguise.end, reason=disguise.kind, score=round(score, 4))


def _worst(disguise: Disguise, asked: Asked, model: GuardModel, depth: int) -> float:
    """The probability of the most suspicious sentence in what a disguised part says."""
    scores = [p for _, p in _scored(Text(disguise.text, asked), disguised=True, model=model)]
    if depth < _DEEPEST:
        scores += [part.score for part in _disguised(disguise.text, asked, model, depth + 1)]
    return max(scores, default=0.0)


def _merged(parts: Sequence[_Part]) -> Sequence[_Part]:
    """The parts, those that overlap as one with the reason of the more suspicious."""
    kept: list[_Part] = []
    for part in parts:
        if kept and part.start < kept[-1].end:
            worse = max(kept[-1], part, key=lambda each: each.score)
            last = kept.pop()
            part = _Part(start=last.start, end=max(last.end, part.end), reason=worse.reason, score=worse.score)  # noqa: PLW2901
        kept.append(part)
    return kept


@lru_cache(maxsize=64)
def _asked(query: str) -> Asked:
    return Asked.of(query)
