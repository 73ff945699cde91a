"""For tests of code that reranks, and for comparing algorithms without a model.

`FakeBackend` answers what it is told, `SimulatedJudge` judges from known grades with seeded noise, `drive` runs a
strategy without an engine, and `check_strategy` is the conformance suite that every strategy here has to pass.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from judge_rerank.core import ChatReply, ChatRequest, DataError, ModelInfo, Question, Subject, prompt_text
from judge_rerank.engine import Run, check_strategy, drive, failing, perfect
from judge_rerank.prompting import TASKS, stating

__all__ = [
    "FakeBackend",
    "Qrels",
    "Reply",
    "Run",
    "SimulatedJudge",
    "check_strategy",
    "drive",
    "failing",
    "perfect",
    "read_grades",
    "stating",
]

Reply = str | ChatReply | Exception
Qrels = Mapping[str, Mapping[str, float]]


class FakeBackend:
    """A backend that answers what it is told and remembers what it was asked.

    Example:
        ```python
        from judge_rerank import Judge
        from judge_rerank.testing import FakeBackend

        backend = FakeBackend('{"ranking": [2, 1]}')
        docs = ["A bell is loud.", "Clean the rotor."]
        ranking = Judge(backend).rerank("why do my brakes squeal?", docs, "listwise")
        print([result.index for result in ranking], len(backend.requests))  # [1, 0] 1
        ```

    Args:
        replies: one text for every request, a list to be used up in order (the last is repeated), or a function of
            the request. An exception among them is raised.
        context_tokens: as in `ModelInfo`.
        logprobs: as in `ModelInfo`.
        concurrency: as in `ModelInfo`.
        latency_s: how long each answer takes.
        local: as in `ModelInfo`. A backend that is not local has no price but what its replies say, or what
            `Judge(prices=...)` gives for "fake".
        most_questions: for a decision model, as in `ModelInfo`; its replies are JSON lists of answers, as
            `ChatReply.text` describes them.
        both_orders: for a decision model, as in `ModelInfo`.

    Attributes:
        requests: every request, in the order of arrival.
        most_at_once: the greatest number of requests that were under way together.
    """

    def __init__(
        self,
        replies: Reply | Sequence[Reply] | Callable[[ChatRequest], Reply],
        *,
        context_tokens: int = 32_768,
        logprobs: bool = False,
        concurrency: int = 8,
        latency_s: float = 0.0,
        local: bool = True,
        most_questions: int | None = None,
        both_orders: bool = False,
    ) -> None:
        self._replies = replies
        self._latency_s = latency_s
        self._info = ModelInfo(
            name="fake",
            context_tokens=context_tokens,
            logprobs=logprobs,
            concurrency=concurrency,
            local=local,
            most_questions=most_questions,
            both_orders=both_orders,
            exact_tokens=True,
        )
        self._under_way = 0
        self.requests: list[ChatRequest] = []
        self.most_at_once = 0
        self.closed = False

    @property
    def info(self) -> ModelInfo:
        """What the constructor was told."""
        return self._info

    def count_tokens(self, text: str) -> int:
        """A token for every four characters."""
        return -(-len(text) // 4)

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The next reply."""
        self.requests.append(request)
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            await asyncio.sleep(self._latency_s)
            reply = self._next(request)
        finally:
            self._under_way -= 1
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, ChatReply):
            return reply
        return ChatReply(
            text=reply,
            input_tokens=self.count_tokens(prompt_text(request.messages)),
            output_tokens=self.count_tokens(reply),
            cost_usd=Decimal(0) if self._info.local else None,
            model="fake",
        )

    async def aclose(self) -> None:
        """Note that it was closed."""
        self.closed = True

    def _next(self, request: ChatRequest) -> Reply:
        if callable(self._replies):
            return self._replies(request)
        if isinstance(self._replies, (str, ChatReply, Exception)):
            return self._replies
        return self._replies[min(len(self.requests), len(self._replies)) - 1]


class SimulatedJudge(FakeBackend):
    """A judge that knows the grades and errs as much as it is told; its replies pass through the real parsers.

    Documents are known by `(query.id, document.id)`; without a query id, by document id under the query's text.

    Example:
        ```python
        from judge_rerank import Document, Judge, Query
        from judge_rerank.testing import SimulatedJudge

        docs = [Document(text="A bell is loud.", id="bell"), Document(text="Oil it.", id="oil")]
        judge = Judge(SimulatedJudge({"q1": {"oil": 3}}, noise=0.5, seed=1))
        ranking = judge.rerank(Query(text="why do my brakes squeal?", id="q1"), docs)
        print([result.document.id for result in ranking])  # ['oil', 'bell']
        ```

    Args:
        qrels: grades by query id and document id; a pair that is not there has grade 0.
        noise: standard deviation of the error added to a grade, in grades. Drawn anew for each question, but the same
            question is always answered alike.
        seed: of the noise.
        logprobs: whether one-word answers come with log-probabilities.
        top_grade: the highest grade there is; by default the highest in `qrels`.
        latency_s: as in `FakeBackend`.
        context_tokens: as in `FakeBackend`.
        most_questions: as in `FakeBackend`.
    """

    def __init__(
        self,
        qrels: Qrels,
        *,
        noise: float = 0.0,
        seed: int = 0,
        logprobs: bool = True,
        top_grade: float | None = None,
        latency_s: float = 0.0,
        context_tokens: int = 131_072,
        most_questions: int | None = None,
    ) -> None:
        super().__init__(
            self._judge,
            context_tokens=context_tokens,
            logprobs=logprobs,
            concurrency=64,
            latency_s=latency_s,
            most_questions=most_questions,
        )
        self._qrels = qrels
        self._noise = noise
        self._seed = seed
        highest = max((grade for grades in qrels.values() for grade in grades.values()), default=1.0)
        self._top = (top_grade if top_grade is not None else highest) or 1.0

    @classmethod
    def recorded(cls, path: str | Path, column: str, *, latency_s: float = 0.0) -> SimulatedJudge:
        """Replays the grades that a real judge gave.

        Args:
            path: a tab-separated file with a header: `query-id`, `corpus-id`, and a column for each judge.
            column: whose grades to replay.
            latency_s: as in `FakeBackend`.
        """
        return cls(read_grades(path, column), latency_s=latency_s)

    def grades(self, subject: Subject) -> list[float]:
        """What the judge takes the grade of each candidate to be, this time."""
        known = self._qrels.get(subject.query.id or subject.query.text, {})
        ids = [candidate.document.id or str(candidate.index) for candidate in subject.candidates]
        question = json.dumps([self._seed, subject.task, subject.query.id, subject.query.text, ids])
        dice = random.Random(hashlib.sha256(question.encode("utf-8", "replace")).digest())  # noqa: S311
        return [known.get(identifier, 0.0) + self._noise * dice.gauss(0, 1) for identifier in ids]

    def _judge(self, request: ChatRequest) -> Reply:
        subject = request.subject
        if subject is None:
            return "A simulated judge answers only calls that say what they are about."
        grades = self.grades(subject)
        if request.questions:
            return json.dumps(self._decided(request.questions, grades))
        if TASKS[subject.task].compares:
            return _compared(subject, request.labels, grades)
        if len(grades) == 1 and request.labels:
            return self._worded(subject, grades[0])
        verdicts = [self._verdict(subject, grade) for grade in grades]
        if len(grades) == 1:
            return json.dumps(verdicts[0])
        return json.dumps({"judgments": [{"id": i} | verdict for i, verdict in enumerate(verdicts, start=1)]})

    def _decided(self, questions: Sequence[Question], grades: Sequence[float]) -> list[dict[str, object]]:
        """An answer to each question of a decision model: about the document at its place, or about all of them."""
        chances = [self._probability(grade) for grade in grades]
        if questions[0].kind == "choice":
            return [_chosen(question, grades) for question in questions]
        if questions[0].kind == "predicate":
            return [{"probability": chance} for chance in chances]
        return [
            {"score": (len(question.labels) - 1) * chance} for question, chance in zip(questions, chances, strict=True)
        ]

    def _probability(self, grade: float) -> float:
        return (1 + math.tanh(2 * (grade / self._top - 0.5))) / 2

    def _verdict(self, subject: Subject, grade: float) -> dict[str, object]:
        if subject.task == "binary":
            return {"reason": "by its grade", "relevant": grade > self._top / 2}
        name, low, high = _scale(subject)
        number = min(high, max(low, round(low + (high - low) * grade / self._top)))
        if subject.criteria:
            return dict.fromkeys([each.name for each in subject.criteria], number)
        return {"reason": "by its grade", name: number}

    def _worded(self, subject: Subject, grade: float) -> ChatReply:
        """A one-word answer with log-probabilities that keep every difference between noisy grades."""
        p = self._probability(grade)
        if subject.task == "binary":
            weights = {"yes": p, "no": 1 - p}
        elif subject.task == "grade":
            weights = {str(self._verdict(subject, grade)["grade"]): 1.0}
        else:
            _, least, most = _scale(subject)
            low = min(most - 1, least + math.floor((most - least) * p))
            share = least + (most - least) * p - low
            weights = {str(low): 1 - share, str(low + 1): share}
        logprobs = {word: math.log(max(weight, 1e-12)) for word, weight in weights.items()}
        return ChatReply(
            text=max(weights, key=lambda word: weights[word]),
            branches={"": logprobs, "1": {"": 0.0}},
            output_tokens=1,
            cost_usd=Decimal(0),
            model="simulated",
        )


def _scale(subject: Subject) -> tuple[str, int, int]:
    """What a number is called, the lowest one and the highest."""
    if subject.levels:
        return "grade", 0, subject.levels - 1
    return ("grade", 0, 3) if subject.task == "grade" else ("score", 1, 10)


def _compared(subject: Subject, labels: Sequence[str], grades: Sequence[float]) -> Reply:
    best_first = sorted(range(len(grades)), key=lambda place: -grades[place])
    if labels:
        return _lettered(labels, grades)
    if subject.options:
        return json.dumps({"best": subject.options[best_first[0]]})
    return json.dumps({"ranking": [place + 1 for place in best_first]})


def _chosen(question: Question, grades: Sequence[float]) -> dict[str, object]:
    """A choice among documents, whose labels may stand in reverse order; "none" is as likely as an irrelevant one."""
    labels = [label for label in question.labels if label != "none"]
    labels = labels if labels == sorted(labels, key=lambda label: (len(label), label)) else labels[::-1]
    weights = dict(zip(labels, (math.exp(grade) for grade in grades), strict=False))
    weights |= {label: 1.0 for label in question.labels if label not in weights}
    total = sum(weights.values())
    chances = {label: weight / total for label, weight in weights.items()}
    return {"choice": max(labels, key=lambda label: chances[label]), "probabilities": chances}


def _lettered(letters: Sequence[str], grades: Sequence[float]) -> ChatReply:
    """The letter of the best document, with log-probabilities in the order of the grades."""
    best = max(grades)
    weights = {letter: math.exp(grade - best) for letter, grade in zip(letters, grades, strict=True)}
    total = sum(weights.values())
    return ChatReply(
        text=max(weights, key=lambda letter: weights[letter]),
        branches={"": {letter: math.log(weight / total) for letter, weight in weights.items()}},
        output_tokens=1,
        cost_usd=Decimal(0),
        model="simulated",
    )


def read_grades(path: str | Path, column: str) -> dict[str, dict[str, float]]:
    """Grades by query id and document id from one column of a tab-separated file with a header.

    Raises:
        DataError: the file cannot be read, or has no such column.
    """
    grades: dict[str, dict[str, float]] = {}
    try:
        with Path(path).open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines, delimiter="\t")
            if column not in (rows.fieldnames or ()):
                msg = f"no column {column!r}; there are {', '.join(rows.fieldnames or ())}"
                raise DataError(msg, path=path, line=1)
            for row in rows:
                grades.setdefault(row["query-id"], {})[row["corpus-id"]] = float(row[column])
    except OSError as error:
        raise DataError(error.strerror or str(error), path=path) from None
    return grades
