"""Which strategy finds the best ten, and at what cost: every strategy on TREC DL 2019, with judges of known noise.

    python eval/bench/strategies.py [--data ../shared/data] [--out eval/results/strategies.md] [--only blitz adaptive]

A judge knows the grade of each document and adds an error to it, drawn anew for each document in each call: normal,
with a standard deviation of 0.25 or 1 grade. It takes the grades from the TREC assessors ("human"), or those that
GPT-4o gave to the same passages, whose errors are those of a real judge and the same in every call, with a random
error of 0.25 besides. Both are measured against the human grades. Candidates without a grade count as 0.

nDCG@10 has linear gain, as in trec_eval, and its ideal is made of the candidates given, so that a judge that never
errs reaches 1. The first stage is BM25's order ("good"), or the same candidates shuffled. 200 candidates are the 100
that there are and as many of other queries, which follow them in the good order.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from judge_rerank import (
    Adaptive,
    Blitz,
    First,
    Joint,
    Listwise,
    Pairwise,
    Partition,
    Score,
    SelfConsistent,
    Setwise,
    Tournament,
    Unchanged,
)
from judge_rerank.core import JudgeCall, Outcome, Strategy
from judge_rerank.testing import drive, read_grades, stating

TOP_GRADE = 3
SIZES = (20, 50, 100, 200)

STRATEGIES: dict[str, Strategy] = {
    "first stage": Unchanged(),
    "score": Score(),
    "sliding window (listwise)": Listwise(),
    "first": First(),
    "pairwise heapsort": Pairwise(),
    "setwise heapsort": Setwise(),
    "setwise insertion": Setwise(method="insertion"),
    "blitz": Blitz(),
    "blitz, groups of 20": Blitz(group_size=20),
    "partition": Partition(),
    "tournament": Tournament(),
    "tournament r=2": Tournament(replicas=2),
    "TourRank's stages r=2": Tournament(replicas=2, top=0),
    "joint r=2": Joint(),
    "joint r=4, one round": Joint(replicas=4, refine=False),
    "self-consistent(listwise) n=3": SelfConsistent(),
    "self-consistent(joint r=2) n=2": SelfConsistent(strategy=Joint(refine=False), n=2),
    "self-consistent(joint r=1) n=4": SelfConsistent(strategy=Joint(replicas=1, refine=False), n=4),
    "self-consistent(blitz) n=3": SelfConsistent(strategy=Blitz()),
    "adaptive": Adaptive(),
    "adaptive, docs ≤ 1.3n": Adaptive(),
    "adaptive, docs ≤ 1.8n": Adaptive(),
}
# Limits that depend on the number of candidates.
LIMITS = {"adaptive, docs ≤ 1.3n": 1.3, "adaptive, docs ≤ 1.8n": 1.8}
# Thousands of calls a query, and no better for it: run once, where the table is read.
EXPENSIVE = {"pairwise all pairs": Pairwise(method="allpair"), "pairwise sliding": Pairwise(method="sliding")}


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One query: what is relevant, what the judge thinks is, and what the judge's errors depend on."""

    query: str
    relevance: Sequence[float]
    judged: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One column of the table."""

    judge: str
    noise: float
    shuffled: bool

    def __str__(self) -> str:
        return f"{self.judge} σ={self.noise:g}, {'shuffled' if self.shuffled else 'good'}"


CONDITIONS = tuple(
    Condition(judge=judge, noise=noise, shuffled=shuffled)
    for judge, noise in (("human", 0.25), ("human", 1.0), ("gpt-4o", 0.25))
    for shuffled in (False, True)
)


class Data:
    """The candidates of each query, and their grades."""

    def __init__(self, folder: Path) -> None:
        self.candidates: dict[str, list[str]] = {}
        for line in (folder / "candidates.trec").read_text(encoding="utf-8").splitlines():
            query, _, document, *_ = line.split()
            self.candidates.setdefault(query, []).append(document)
        self.grades = {
            "human": read_grades(folder / "qrels.tsv", "score"),
            "gpt-4o": read_grades(folder / "judgments.tsv", "gpt4o"),
        }

    def topics(self, n: int, condition: Condition) -> Iterator[Topic]:
        """Every query that has a relevant document among its first `n` candidates."""
        queries = list(self.candidates)
        for place, query in enumerate(queries):
            others = self.candidates[queries[place - 1]]
            own = set(self.candidates[query])
            documents = [*self.candidates[query], *(other for other in others if other not in own)][:n]
            if condition.shuffled:
                random.Random(query).shuffle(documents)
            human, judged = (self.grades[name].get(query, {}) for name in ("human", condition.judge))
            relevance = [human.get(document, 0.0) for document in documents]
            if any(relevance):
                yield Topic(
                    query=query, relevance=relevance, judged=[judged.get(document, 0.0) for document in documents]
                )


def noisy(topic: Topic, noise: float, seed: int = 0) -> Callable[[JudgeCall], Outcome]:
    """Answers from the topic's grades with an error of its own for each document in each call."""
    dice = random.Random(f"{topic.query}/{seed}")

    def answer(call: JudgeCall) -> Outcome:
        grades = [topic.judged[candidate.index] + dice.gauss(0, noise) for candidate in call.candidates]
        best_first = sorted(range(len(grades)), key=lambda place: -grades[place])
        return stating(call, best_first, [min(1.0, max(0.0, grade / TOP_GRADE)) for grade in grades])

    return answer


def ndcg(relevance: Sequence[float], order: Sequence[int], depth: int = 10) -> float:
    """nDCG with linear gain; the ideal is made of the same documents."""

    def dcg(values: Sequence[float]) -> float:
        return sum(value / math.log2(rank + 2) for rank, value in enumerate(values[:depth]))

    return dcg([relevance[index] for index in order]) / dcg(sorted(relevance, reverse=True))


def measured(name: str, strategy: Strategy, data: Data, n: int, condition: Condition, runs: int) -> tuple[float, ...]:
    """Means over the queries: nDCG@10, calls, rounds, documents read."""
    if name in LIMITS:
        strategy = Adaptive(docs=round(LIMITS[name] * n))
    results: list[tuple[float, ...]] = []
    for seed in range(runs):
        for topic in data.topics(n, condition):
            run = drive(strategy, ["document"] * n, noisy(topic, condition.noise, seed))
            quality = ndcg(topic.relevance, run.order)
            results.append((quality, len(run.calls), len(run.rounds), run.documents_read))
    return tuple(fmean(column) for column in zip(*results, strict=True))


def table(data: Data, n: int, strategies: dict[str, Strategy], runs: int) -> Iterator[str]:
    """The lines of one table. Calls, rounds and documents are means over all columns."""
    yield f"## {n} candidates\n"
    yield "| strategy | " + " | ".join(map(str, CONDITIONS)) + " | calls | rounds | documents read |"
    yield "|---" * (len(CONDITIONS) + 4) + "|"
    for name, strategy in strategies.items():
        rows = [measured(name, strategy, data, n, condition, runs) for condition in CONDITIONS]
        qualities = " | ".join(f"{row[0]:.3f}" for row in rows)
        costs = " | ".join(f"{fmean(row[i] for row in rows):.1f}" for i in (1, 2))
        yield f"| {name} | {qualities} | {costs} | {fmean(row[3] for row in rows):.0f} |"
    yield ""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds dl19")
    parser.add_argument("--out", type=Path, default=Path("eval/results/strategies.md"))
    parser.add_argument("--only", nargs="*", help="strategies whose name contains one of these")
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--runs", type=int, default=1, help="runs a query, each with other errors")
    options = parser.parse_args(arguments)
    data = Data(options.data / "dl19")
    lines = ["# Strategies compared\n", *(f"{line}" for line in (__doc__ or "").splitlines()), ""]
    for n in options.sizes:
        strategies = STRATEGIES | (EXPENSIVE if n <= 50 else {})
        chosen = {
            name: strategy
            for name, strategy in strategies.items()
            if not options.only or any(part in name for part in options.only)
        }
        for line in table(data, n, chosen, options.runs):
            lines.append(line)
            print(line, flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
