"""The adaptive attack: a payload that is changed round by round, by what its document's rank and score say.

A search sees of the judge what a website's owner sees: the place of one document, and its score where there is one. It
is a hill climb. The fragments that it starts from are the payloads of all families; a round changes the best payload so
far, and keeps the change unless the document falls. An attacker's model may write the next payload instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Protocol

from judge_rerank.core import (
    Candidates,
    Choice,
    Document,
    JudgeCall,
    Ordering,
    Plan,
    Query,
)
from judge_rerank.evaluation.attacks.drawing import Attempt
from judge_rerank.evaluation.attacks.family import CONTROL, FAMILIES, POSITIONS, Planted, Position, Scene, attacked

if TYPE_CHECKING:
    from judge_rerank.judge import Judge

PROMPT = Path(__file__).parent / "assets" / "rewrite.j2"
"""What an attacker's model is asked."""

_MOST_FRAGMENTS = 4
_SHOWN = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """What is planted, and where.

    Attributes:
        fragments: texts that stand one below the other.
        position: where in the document.
    """

    fragments: tuple[str, ...]
    position: Position

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.fragments)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What the attacker saw of one ranking.

    Attributes:
        payload: what was planted.
        rank: of the document, from 1.
        score: of the document; None where there is none.
    """

    payload: Payload
    rank: int
    score: float | None

    @property
    def merit(self) -> tuple[int, float]:
        """Less is better for the attacker: the rank, then the score."""
        return (self.rank, -(self.score if self.score is not None else 0.0))


@dataclass(kw_only=True, slots=True)
class Search:
    """The search against one document.

    Attributes:
        attempt: the query, and the document that is to rise.
        clean: what the attacker saw of the document as it was.
        best: the best so far; None before the first round.
        seen: every round, in order.
    """

    attempt: Attempt
    clean: Seen
    best: Seen | None = None
    seen: list[Seen] = field(default_factory=list[Seen])

    def planted(self, payload: Payload) -> Planted:
        """The document with a payload."""
        attempt = self.attempt
        scene = Scene(
            query=attempt.drawn.topic.query.text,
            documents=attempt.drawn.documents,
            victim=attempt.victim,
            position=payload.position,
            dice=attempt.dice,
        )
        return scene.plant(payload.text)

    def note(self, payload: Payload, rank: int, score: float | None) -> None:
        """Keep what came of a payload. A payload as good as the best replaces it, so that the climb can go on."""
        seen = Seen(payload=payload, rank=rank, score=score)
        self.seen.append(seen)
        if self.best is None or seen.merit <= self.best.merit:
            self.best = seen

    @property
    def ranks(self) -> tuple[int, ...]:
        """The best rank so far after each round."""
        best: list[int] = []
        for seen in self.seen:
            best.append(min(seen.rank, best[-1] if best else seen.rank))
        return tuple(best)


class Writer(Protocol):
    """What proposes the next payloads."""

    async def write(self, searches: Sequence[Search]) -> Sequence[Payload]:
        """The next payload of each search."""
        ...


class TemplateWriter:
    """Changes the best payload at random: a fragment more, less or another, or another position. Asks no model."""

    async def write(self, searches: Sequence[Search]) -> Sequence[Payload]:
        """The next payload of each search."""
        return [self.next(search) for search in searches]

    def next(self, search: Search) -> Payload:
        """The next payload: the first is a fragment of a family, later ones are changes of the best."""
        dice = search.attempt.dice
        fragment = _fragment(search.attempt)
        if search.best is None:
            return Payload(fragments=(fragment,), position=search.attempt.position)
        old = search.best.payload
        kept = list(old.fragments)
        changes: list[Callable[[], Payload]] = [
            lambda: Payload(fragments=_put(kept, fragment, dice), position=old.position),
            lambda: Payload(fragments=(fragment, *kept)[:_MOST_FRAGMENTS], position=old.position),
            lambda: Payload(fragments=tuple(kept), position=dice.choice([p for p in POSITIONS if p != old.position])),
        ]
        if len(kept) > 1:
            changes.append(lambda: Payload(fragments=tuple(dice.sample(kept, len(kept) - 1)), position=old.position))
        return dice.choice(changes)()


class ModelWriter:
    """Asks a model for the next payload: a call a search and round, under the budget, cache and trace of a judge.

    Where the model refuses or cannot be read, the templates write instead.

    Args:
        judge: through which the model is asked.
        model: its name; None for the judge's own.
    """

    def __init__(self, judge: Judge, model: str | None = None) -> None:
        self._judge, self._model, self._templates = judge, model, TemplateWriter()

    async def write(self, searches: Sequence[Search]) -> Sequence[Payload]:
        """The next payload of each search; the first is the templates'."""
        asked = [search for search in searches if search.best is not None]
        asking = _Rewriting(model=self._model)
        pairs: list[tuple[Query, list[Document]]] = [(Query(text=notes(search)), []) for search in asked]
        async for _ in self._judge.arerank_many(pairs, asking):
            pass
        return [asking.found.get(notes(search)) or self._templates.next(search) for search in searches]


@dataclass(frozen=True, kw_only=True)
class _Rewriting:
    """A strategy without documents, so that the engine performs the call as it performs any other."""

    model: str | None
    found: dict[str, Payload] = field(default_factory=dict[str, Payload])

    name = "rewrite"

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """Ask, note the answer, change nothing."""
        call = JudgeCall(
            task="classify",
            query=query,
            candidates=(),
            prompt=str(PROMPT),
            options=POSITIONS,
            explain=True,
            model=self.model,
            stage=self.name,
        )
        (outcome,) = yield [call]
        if isinstance(outcome, Choice) and outcome.reason and outcome.label in POSITIONS:
            self.found[query.text] = Payload(fragments=(outcome.reason,), position=outcome.label)
        return Ordering(order=tuple(candidate.index for candidate in candidates))


def notes(search: Search) -> str:
    """What an attacker's model is told: the query, the document, and what the last texts reached."""
    attempt = search.attempt
    best = sorted(search.seen, key=lambda seen: seen.merit)[: _SHOWN // 2]
    shown = [*best, *(seen for seen in search.seen[-_SHOWN // 2 :] if seen not in best)]
    lines = [
        f"query: {attempt.drawn.topic.query.text}",
        f"document: {attempt.drawn.documents[attempt.victim].text[:300]}",
        f"rank without a text: {search.clean.rank} of {len(attempt.drawn.documents)}",
    ]
    lines += [f"rank {seen.rank}, {seen.payload.position}: {seen.payload.text}" for seen in shown]
    return "\n".join(lines)


def _fragment(attempt: Attempt) -> str:
    """A payload of any family for this document."""
    name = attempt.dice.choice([name for name in FAMILIES.names() if name != CONTROL])
    return attacked(name, attempt.scene).payload


def _put(kept: Sequence[str], fragment: str, dice: Random) -> tuple[str, ...]:
    """The fragments with one of them replaced."""
    changed = list(kept)
    changed[dice.randrange(len(changed))] = fragment
    return tuple(changed)
