"""Groups at once or windows one after the other: what ranks best, in how many calls, rounds and tokens.

    python eval/bench/groups.py [--data ../shared/data] [--out eval/results/groups.md] [--queries 60] [--runs 2]

Judges. "gpt-4o" and "llama-3.1-8b" answer with the grades (0 to 3) that these models gave to the passages of TREC DL
2019, recorded one passage at a time. They say the same of a passage whatever stands beside it: a group costs them
nothing, and a window is put in order by grade, ties as they stand. What real models lose in a group, and what they gain
from comparing, is not in these records. So there are simulated judges besides, whose error on a grade is normal with
the standard deviation s · √(g / 20) in a group of g documents, drawn anew for each document in each call: s for twenty,
less for fewer, more than twice as much for a hundred, whether they grade the group or put it in order. "strict" adds
one error of half a grade (or of a grade) to all documents of a call, "contrast" takes half of the group's mean grade
from each, "position" adds half a grade to the first document shown, less to each next one, nothing to the last.
Grades are those of the assessors, unless the name says otherwise; on other sets they are stretched to 0 to 3.

Whoever grades a group answers in whole numbers from 1 to 10 (with the prompt `graded`, from 0 to 3), so that many tie;
alone, by log-probabilities, few do. Ties stand in the first stage's order. Candidates are shuffled, or in the order of
BM25 where it is said.

nDCG@10 has linear gain, and its ideal is made of the candidates. Differences to the sliding window are paired by query,
± is a 95 % interval of their mean. Tokens are those of the rendered prompts, and of replies in the form that they ask
for (JSON without spaces), counted by OpenAI's vocabulary.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev

from strategies import TOP_GRADE, ndcg

from judge_rerank.core import JudgeCall, Outcome, prompt_text
from judge_rerank.evaluation import Dataset, Topic, load, selected
from judge_rerank.prompting import Library, Renderer
from judge_rerank.providers.tokens import by_vocabulary
from judge_rerank.strategies import parse
from judge_rerank.testing import FakeBackend, Run, drive, read_grades, stating

WINDOW = "listwise"
STRATEGIES = (
    WINDOW,
    "joint",
    "adaptive",
    "blitz",
    "setwise",
    "score",
    *(f"score(batch_size={size})" for size in (5, 10, 12, 15, 20, 30, 50, 100)),
    *(f"score(batch_size={size}, shuffle=None)" for size in (5, 10, 12, 15, 20, 30, 50)),
    *(f"score(batch_size={size}, anchor=True)" for size in (10, 12, 15, 20, 30, 50)),
    *(f"score(prompt='graded', batch_size={size})" for size in (10, 15, 20)),
)
DEPTHS = {"dl19": 100, "scifact": 40, "wikiqa": 20, "cranfield": 100}
RECORDED = {"gpt-4o": "gpt4o", "llama-3.1-8b": "llama31_8b"}
_HALF = 0.5


@dataclass(frozen=True, kw_only=True)
class JudgeModel:
    """Who judges.

    Attributes:
        name: as the table says it.
        grades: whose grades: "human", or a name of `RECORDED`.
        noise: standard deviation of the error on a grade in a group of twenty.
        strict: standard deviation of the error that all documents of a call share.
        contrast: the share of the group's mean grade that is taken from each.
        position: what the first document gains.
        shuffled: whether the candidates are.
    """

    name: str
    grades: str = "human"
    noise: float = 0.0
    strict: float = 0.0
    contrast: float = 0.0
    position: float = 0.0
    shuffled: bool = True

    @property
    def random(self) -> bool:
        """Whether another run gives other answers."""
        return bool(self.noise or self.strict)


NOISES = (0.5, 1.0, 2.0)
SIMULATED = tuple(JudgeModel(name=f"s = {noise:g}", noise=noise) for noise in NOISES)
DISTURBED = (
    JudgeModel(name="s = 1, strict", noise=1.0, strict=_HALF),
    JudgeModel(name="s = 0.5, strict by a grade", noise=_HALF, strict=1.0),
    JudgeModel(name="s = 1, contrast", noise=1.0, contrast=_HALF),
    JudgeModel(name="s = 1, position", noise=1.0, position=_HALF),
)
OF_MODELS = tuple(JudgeModel(name=name, grades=name) for name in RECORDED)
MIXED = tuple(JudgeModel(name=f"{name} and s = 0.5", grades=name, noise=_HALF) for name in RECORDED)
TABLES = {
    "Candidates shuffled": (*OF_MODELS, *MIXED, *SIMULATED),
    "Candidates shuffled, and the group disturbs the judge": DISTURBED,
}
IN_ORDER = {
    "Candidates in the order of BM25": tuple(
        replace(judge, shuffled=False) for judge in (*OF_MODELS, SIMULATED[1], *DISTURBED)
    ),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One query as a judge gets it: what is relevant, and what the judge takes the grades to be."""

    topic: Topic
    relevance: Sequence[float]
    judged: Sequence[float]


class Collection:
    """The queries of a set that have a relevant candidate."""

    def __init__(self, folder: Path, queries: int) -> None:
        self.name = folder.name
        whole = load(folder, name=folder.name)
        self.data, _ = selected(whole, queries=queries, depth=DEPTHS[folder.name], seed=1, no_relevant="skip")
        self.grades = {"human": _stretched(self.data)}
        if (folder / "judgments.tsv").exists():
            self.grades |= {name: read_grades(folder / "judgments.tsv", column) for name, column in RECORDED.items()}

    def cases(self, judge: JudgeModel) -> Iterator[Case]:
        """What a judge is asked."""
        for topic in self.data.topics:
            shown = topic.shown(1 if judge.shuffled else None)
            documents = tuple(topic.candidates[place] for place in shown)
            human, judged = (self.grades[name].get(topic.id, {}) for name in ("human", judge.grades))
            yield Case(
                topic=replace(topic, candidates=documents),
                relevance=[human.get(document.id or "", 0.0) for document in documents],
                judged=[judged.get(document.id or "", 0.0) for document in documents],
            )


def _stretched(data: Dataset) -> dict[str, dict[str, float]]:
    """The grades with the highest of the set as 3."""
    top = max(grade for known in data.grades.values() for grade in known.values())
    return {
        query: {name: grade * TOP_GRADE / top for name, grade in known.items()} for query, known in data.grades.items()
    }


def answering(case: Case, judge: JudgeModel, seed: int) -> Callable[[JudgeCall], Outcome]:
    """The judge's answers to questions about one query."""
    dice = random.Random(f"{case.topic.id}/{seed}")

    def answer(call: JudgeCall) -> Outcome:
        n = len(call.candidates)
        true = [case.judged[candidate.index] for candidate in call.candidates]
        shift = judge.strict * dice.gauss(0, 1) - judge.contrast * fmean(true)
        noise = judge.noise * math.sqrt(n / 20)
        grades = [
            grade + shift + judge.position * (1 - place / n) + noise * dice.gauss(0, 1)
            for place, grade in enumerate(true)
        ]
        best_first = sorted(range(n), key=lambda place: -grades[place])
        return stating(call, best_first, [_said(grade, n, call.prompt) for grade in grades])

    return answer


def _said(grade: float, n: int, prompt: str | None) -> float:
    """The score that a grade is given as: in a group, on a scale of ten or of four."""
    share, steps = min(1.0, max(0.0, grade / TOP_GRADE)), 3 if prompt == "graded" else 9
    return share if n == 1 else round(share * steps) / steps


class Tokens:
    """Counts what calls and their replies take."""

    def __init__(self) -> None:
        self._renderer = Renderer(_Counting("", logprobs=True, context_tokens=1_000_000), Library())

    def of(self, call: JudgeCall) -> tuple[int, int]:
        """Tokens of the prompt and of a reply."""
        prepared = self._renderer.prepare(call)
        n = len(call.candidates)
        wanted = (
            {"judgments": [{"id": place, "score": 5} for place in range(1, n + 1)]}
            if call.task == "score"
            else {"ranking": list(range(n, 0, -1))}
        )
        reply = "1" if prepared.request.labels else json.dumps(wanted, separators=(",", ":"))
        return by_vocabulary(prompt_text(prepared.request.messages)), by_vocabulary(reply)


class _Counting(FakeBackend):
    """A backend that counts by OpenAI's vocabulary."""

    def count_tokens(self, text: str) -> int:
        """As OpenAI's models count."""
        return by_vocabulary(text)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One strategy under one judge: nDCG@10 by query and run, and means of the costs."""

    ndcg: Sequence[float]
    calls: float
    rounds: float
    runs: Sequence[Run]


def measured(collection: Collection, spec: str, judge: JudgeModel, runs: int) -> Measured:
    """Every query, each as often as there are runs."""
    strategy, found, ndcgs = parse(spec), list[Run](), list[float]()
    for case in collection.cases(judge):
        values: list[float] = []
        for seed in range(runs if judge.random else 1):
            run = drive(strategy, case.topic.candidates, answering(case, judge, seed), query=case.topic.query)
            found.append(run)
            values.append(ndcg(case.relevance, run.order))
        ndcgs.append(fmean(values))
    return Measured(
        ndcg=ndcgs,
        calls=fmean(len(run.calls) for run in found),
        rounds=fmean(len(run.rounds) for run in found),
        runs=found,
    )


def difference(one: Sequence[float], other: Sequence[float]) -> str:
    """The mean difference by query, with its interval."""
    gains = [a - b for a, b in zip(one, other, strict=True)]
    return f"{fmean(gains):+.3f} ± {1.96 * stdev(gains) / math.sqrt(len(gains)):.3f}"


def costs(collection: Collection, judge: JudgeModel, strategies: Sequence[str]) -> Iterator[str]:
    """Calls, rounds and tokens of each strategy; they hardly depend on the judge."""
    yield "| strategy | calls | rounds | tokens in | of the window's | tokens out | in and out of the window's |"
    yield "|---|---|---|---|---|---|---|"
    tokens, base = Tokens(), tuple[float, float]()
    for spec in strategies:
        found = measured(collection, spec, judge, 1)
        counted = [tokens.of(call) for run in found.runs for call in run.calls]
        sent, replied = (sum(column) / len(found.runs) for column in zip(*counted, strict=True))
        base = base or (sent, sent + replied)
        yield (
            f"| {spec} | {found.calls:.1f} | {found.rounds:.1f} | {sent:,.0f} | {sent / base[0]:.3f} "
            f"| {replied:,.0f} | {(sent + replied) / base[1]:.3f} |"
        )


def qualities(
    collection: Collection, judges: Sequence[JudgeModel], runs: int, strategies: Sequence[str]
) -> Iterator[str]:
    """nDCG@10 of the sliding window under each judge, and what the other strategies differ by."""
    window = {judge: measured(collection, WINDOW, judge, runs).ndcg for judge in judges}
    yield "| strategy | " + " | ".join(judge.name for judge in judges) + " |"
    yield "|---" * (len(judges) + 1) + "|"
    yield f"| {WINDOW} | {' | '.join(f'{fmean(window[judge]):.3f}' for judge in judges)} |"
    for spec in strategies[1:]:
        cells = [difference(measured(collection, spec, judge, runs).ndcg, window[judge]) for judge in judges]
        yield f"| {spec} | {' | '.join(cells)} |"


def tables(collection: Collection, runs: int, strategies: Sequence[str]) -> Iterator[str]:
    """All of a set."""
    n = fmean(len(topic.candidates) for topic in collection.data.topics)
    yield f"\n## {collection.name}: {len(collection.data.topics)} queries, {n:.0f} candidates each\n"
    yield from costs(collection, SIMULATED[0], strategies)
    recorded = RECORDED.keys() <= collection.grades.keys()
    for title, judges in (TABLES | (IN_ORDER if recorded else {})).items():
        here = [judge for judge in judges if judge.grades in collection.grades]
        yield f"\n{title}:\n"
        yield from qualities(collection, here, runs, strategies)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("eval/results/groups.md"))
    parser.add_argument("--sets", nargs="*", default=list(DEPTHS))
    parser.add_argument("--queries", type=int, default=60, help="of each collection, at most")
    parser.add_argument("--runs", type=int, default=2, help="of a judge that errs by chance")
    parser.add_argument("--only", nargs="*", default=STRATEGIES[1:], help="strategies beside the window")
    options = parser.parse_args(arguments)
    lines = ["# Groups at once\n", *(__doc__ or "").splitlines()]
    for name in options.sets:
        for line in tables(Collection(options.data / name, options.queries), options.runs, (WINDOW, *options.only)):
            lines.append(line)
            print(line, flush=True)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
