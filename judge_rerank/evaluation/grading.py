"""Relevance judgments by a model, where people have made none: a grade from 0 to 3 for each query and document.

    grades = Grader(judge).grade(pairs)
    grades.qrels                  # {query id: {document id: grade}}

The grades and the default prompt are those of UMBRELA (arXiv:2406.06519), which found that systems stand in nearly the
same order under such grades as under those of people. Say which model made them, and measure how far they agree with
people's (`judge_rerank.evaluation.agreement`) before resting anything on them; and do not let a model grade what the
same model has ranked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar

from judge_rerank.core import (
    Candidates,
    Document,
    InputError,
    Plan,
    Query,
    Ranking,
    as_documents,
    as_query,
    by_score,
)
from judge_rerank.evaluation.streaming import ranked_until
from judge_rerank.strategies import Pointwise

if TYPE_CHECKING:
    from judge_rerank.core import DocumentsLike
    from judge_rerank.engine import Progress
    from judge_rerank.judge import Judge

Qrels = Mapping[str, Mapping[str, float]]
"""Grades by query id and document id."""


PROBE = 20
"""Calls after which it is looked at whether the model gives grades."""
MOST_FAILED = 0.5
"""The greatest share of calls without a grade; beyond it, asking is given up."""
_NOT_THE_MODELS = frozenset({"budget", "ledger", "deadline", "cancelled"})


@dataclass(frozen=True, kw_only=True)
class Grade(Pointwise):
    """Asks for an assessor's grade from 0 to 3; the score is grade / 3, and the judgment's label is the grade.

    ⌈n / batch_size⌉ calls in two rounds: the first `PROBE` calls, and the rest only where at least half of the
    documents in them got a grade, so that a model that cannot give grades is not asked about every document.
    """

    task: ClassVar[str] = "grade"

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The first calls, then the rest."""
        probe = [candidate.index for candidate in candidates][: PROBE * (self.batch_size or 1)]
        rest = [candidate.index for candidate in candidates][len(probe) :]
        scores = dict((yield from super().plan(query, candidates.arranged(probe))).scores)
        if rest and len(scores) >= MOST_FAILED * len(probe):
            scores |= (yield from super().plan(query, candidates.arranged(rest))).scores
        return by_score(candidates, scores)


@dataclass(frozen=True, kw_only=True, slots=True)
class Grades:
    """What a model graded.

    Attributes:
        qrels: its grades by query id and document id, whole numbers from 0 to 3.
        missing: documents that were asked about and got no grade, by query id; never a 0 instead.
        rankings: how they were had, with replies, costs and reasons; one for each query that was asked about.
        stopped: why not all were asked about; "" where they were.
    """

    qrels: Mapping[str, Mapping[str, int]]
    missing: Mapping[str, tuple[str, ...]]
    rankings: tuple[Ranking, ...] = field(repr=False)
    stopped: str = ""


class Grader:
    """Grades documents through a judge, with its budget, cache and trace.

    Args:
        judge: whose grades.
        prompt: a template's name or path for the task "grade"; None for "umbrela".
        explain: ask for a reason before each grade; it is in the judgments.
        batch_size: documents a call. One is how assessors work, and what published agreement was measured with.

    Raises:
        InputError: batch_size is below 1.
    """

    def __init__(self, judge: Judge, *, prompt: str | None = None, explain: bool = False, batch_size: int = 1) -> None:
        self._judge = judge
        self._strategy = Grade(prompt=prompt, explain=explain, batch_size=batch_size)

    def grade(
        self,
        pairs: Iterable[tuple[Query, DocumentsLike]],
        *,
        known: Qrels | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Grades:
        """Grade documents: one call for each, or as `batch_size` says.

        The first query is graded by itself. When more than half of the calls so far, of at least `PROBE`, gave no grade
        (refused, unreadable, cut off, or without a reply), nothing more is asked: what is left is `missing`.

        Args:
            pairs: queries with documents; each has an id.
            known: grades that there are already; what they name is not asked about.
            progress: called after every call, in another thread.

        Raises:
            InputError: a query or a document has no id, or one stands twice. Nothing was sent.
            ProviderError: no grade could be had, and no retry can help.
        """
        asked = list(_asked(pairs, known or {}))
        tally = _Tally()
        rankings: list[Ranking] = []
        for part in (asked[:1], asked[1:]):
            if part and not tally.stopped:
                rankings += ranked_until(self._judge, part, self._strategy, tally.note, progress=progress)
        qrels: dict[str, dict[str, int]] = {}
        missing: dict[str, tuple[str, ...]] = {}
        for (query, documents), ranking in zip_longest(asked, rankings):
            query_id, found = query.id or "", _found(ranking) if ranking is not None else {}
            names = [document.id or "" for document in documents]
            qrels[query_id] = {name: found[name] for name in names if name in found}
            if left := tuple(name for name in names if name not in found):
                missing[query_id] = left
        return Grades(qrels=qrels, missing=missing, rankings=tuple(rankings), stopped=tally.stopped)


class _Tally:
    """Counts calls with and without a grade, and says when there are too many without."""

    def __init__(self) -> None:
        self._read, self._failed = 0, Counter[str]()
        self.stopped = ""

    def note(self, ranking: Ranking) -> bool:
        """Whether to stop after this ranking."""
        integrity = ranking.integrity
        self._read += integrity.parsed + integrity.repaired
        self._failed.update({why: n for why, n in integrity.failed.items() if why not in _NOT_THE_MODELS})
        failed = self._failed.total()
        calls = self._read + failed
        if calls >= PROBE and failed > MOST_FAILED * calls:
            counts = ", ".join(f"{why} {count}" for why, count in self._failed.most_common())
            self.stopped = (
                f"{failed} of {calls} calls gave no grade ({counts}), so the remaining documents are not graded. "
                "Try another model or prompt."
            )
        return bool(self.stopped)


def qrels_lines(qrels: Qrels) -> str:
    """Grades as lines of a TREC qrels file: `qid 0 docid grade`.

    Raises:
        InputError: an id holds white space, which the format has no place for.
    """
    for query_id, grades in qrels.items():
        for name in (query_id, *grades):
            if len(name.split()) != 1:
                raise InputError(f"The id {name!r} is empty or has white space; a qrels file cannot hold it.")
    return "".join(
        f"{query_id} 0 {name} {grade:g}\n" for query_id, grades in qrels.items() for name, grade in grades.items()
    )


def _asked(pairs: Iterable[tuple[Query, DocumentsLike]], known: Qrels) -> Iterator[tuple[Query, Sequence[Document]]]:
    """The queries with the documents that are still to be graded, checked."""
    queries: set[str] = set()
    for given, documents in pairs:
        query, checked = as_query(given), as_documents(documents)
        if query.id is None or query.id in queries:
            raise InputError(f"The query {query.text!r} needs an id that no other query has.")
        queries.add(query.id)
        names = [document.id for document in checked]
        if None in names or len(set(names)) < len(names):
            raise InputError(f"Every document of query {query.id!r} needs an id of its own.")
        graded = known.get(query.id, {})
        yield query, [document for document in checked if document.id not in graded]


def _found(ranking: Ranking) -> dict[str, int]:
    """The last grade of each document."""
    return {
        place.document.id or "": int(judgment.label)
        for place in ranking
        for judgment in place.judgments
        if judgment.failure is None and judgment.label is not None
    }
