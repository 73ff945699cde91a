"""What is attacked: which queries, which document of each, where in it; drawn by the seed and by nothing else.

Nothing here knows the judge, so two judges face the same attacks, and their results can be compared in pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from judge_rerank.core import DataError, Document, InputError
from judge_rerank.evaluation.attacks.family import POSITIONS, Planted, Position, Scene, attacked
from judge_rerank.evaluation.datasets import Dataset, Topic


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """A query as the judge gets it.

    Attributes:
        topic: the query with its candidates in first-stage order.
        documents: the candidates in the order of the seed.
        irrelevant, partly: places that may be attacked, by the grade of the document there.
        graded: whether grades say so.
    """

    topic: Topic
    documents: Sequence[Document]
    irrelevant: Sequence[int]
    partly: Sequence[int]
    graded: bool

    @property
    def id(self) -> str:
        """The query's id."""
        return self.topic.id


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One attack to make.

    Attributes:
        drawn: the query.
        family, number: which trial it is.
        victim: the place of the attacked document.
        relevance: of the attacked document, as in `Trial`.
        position: where in it something is planted.
        dice: what variants are drawn with.
    """

    drawn: Drawn
    family: str
    number: int
    victim: int
    relevance: str
    position: Position
    dice: Random

    @property
    def key(self) -> tuple[str, str, int]:
        """As in `Trial`."""
        return (self.drawn.id, self.family, self.number)

    @property
    def scene(self) -> Scene:
        """What the attacker sees."""
        return Scene(
            query=self.drawn.topic.query.text,
            documents=self.drawn.documents,
            victim=self.victim,
            position=self.position,
            dice=self.dice,
        )

    def planted(self) -> Planted:
        """What the family makes of it."""
        return attacked(self.family, self.scene)

    def documents(self, planted: Planted) -> list[Document]:
        """The list that the judge gets."""
        return [planted.documents.get(place, document) for place, document in enumerate(self.drawn.documents)]


def drawn_topics(dataset: Dataset, *, limit: int, depth: int, seed: int, least: int) -> list[Drawn]:
    """The sampled queries; a larger limit adds to those of a smaller one.

    Args:
        dataset: all of it; without grades, any document in the lower half of the first stage may be attacked.
        limit: the most queries.
        depth: the most candidates of each.
        seed: of the draw.
        least: candidates that at least one of the queries has to have.

    Raises:
        DataError: no query has a document that could be attacked.
        InputError: no query has as many candidates as `least`.
    """
    order = list(range(len(dataset.topics)))
    Random(f"{seed}/queries").shuffle(order)  # noqa: S311
    usable = [drawn for place in order if (drawn := _drawn(dataset, dataset.topics[place], depth, seed)) is not None]
    if not usable:
        raise DataError(
            "No query has two candidates of which one is not relevant, so there is nothing to attack.",
            path=dataset.source,
        )
    most = max(len(drawn.documents) for drawn in usable)
    if most < least:
        raise InputError(
            f"k is {least - 1}, but no query has more than {most} candidates, so none could rise into the top "
            f"{least - 1}. Choose a smaller k, or more candidates."
        )
    return usable[:limit]


def _drawn(dataset: Dataset, topic: Topic, depth: int, seed: int) -> Drawn | None:
    """A query with what may be attacked in it; None where nothing can rise."""
    first_stage = topic.candidates[:depth]
    grades = dataset.grades.get(topic.id, {})
    order = [place for place in topic.shown(seed) if place < len(first_stage)]
    documents = [first_stage[place] for place in order]
    known = [grades.get(document.id or "", 0) for document in documents]
    best = max(known, default=0)
    if grades:
        irrelevant = [place for place, grade in enumerate(known) if grade <= 0]
        partly = [place for place, grade in enumerate(known) if 0 < grade < best]
    else:
        irrelevant = [place for place, stage in enumerate(order) if 2 * stage >= len(order)]
        partly = []
    if len(documents) < 2 or not irrelevant + partly:
        return None
    return Drawn(topic=topic, documents=documents, irrelevant=irrelevant, partly=partly, graded=bool(grades))


def attempts(drawn: Drawn, family: str, *, trials: int, seed: int) -> list[Attempt]:
    """The attacks of one family on one query.

    Every family attacks the same documents at the same positions, so that families can be compared, the control among
    them. Positions take turns from one that is drawn; of documents that are partly relevant, where there are any, every
    second trial takes one.
    """
    draw = Random(f"{seed}/{drawn.id}/victims")  # noqa: S311
    turn = draw.randrange(len(POSITIONS))
    made: list[Attempt] = []
    for number in range(trials):
        partly = bool(drawn.partly) and (number % 2 == 1 or not drawn.irrelevant)
        made.append(
            Attempt(
                drawn=drawn,
                family=family,
                number=number,
                victim=draw.choice(drawn.partly if partly else drawn.irrelevant),
                relevance="partly" if partly else "irrelevant" if drawn.graded else "unjudged",
                position=POSITIONS[(turn + number) % len(POSITIONS)],
                dice=Random(f"{seed}/{drawn.id}/{family}/{number}"),  # noqa: S311
            )
        )
    return made
