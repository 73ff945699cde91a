"""How a decision model is best asked: alone or in groups, by level, by yes or no, or by one choice; in which orders.

    python eval/bench/decisions.py [--data ../shared/data] [--out eval/results/decisions.md] [--queries 60] [--runs 2]

Judges are those of `groups.py`: the grades that GPT-4o gave, alone and with an error, and assessors' grades with an
error of the standard deviation s · √(g / 20) in a group of g documents. A decision model answers with an expected level
or a probability, so that, other than whole numbers, few of its scores tie; that is all that sets these judges apart
from the chat judges of that page. No record of a real decision model is to be had here.

A choice prefers what stands first among its labels: `bias` grades are added to the first label, less to each next one,
nothing to the last. Asked in both orders, in one request, its probabilities are averaged. "Agree" is how often the same
document is chosen in both orders; for real models 50 to 90 % are reported.

nDCG@10 has linear gain, and its ideal is made of the candidates. Differences are to `score(batch_size=30)`, paired by
query; ± is a 95 % interval of their mean. Tokens are those of state and questions, counted by OpenAI's vocabulary.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from groups import Case, Collection, JudgeModel, difference
from strategies import TOP_GRADE, ndcg

from judge_rerank.core import ChatRequest, Choice, JudgeCall, Order, Outcome, Scores, prompt_text
from judge_rerank.prompting import DecisionRenderer, Library
from judge_rerank.providers.tokens import by_vocabulary
from judge_rerank.strategies import parse
from judge_rerank.testing import FakeBackend, Run, drive

BASE = "score(batch_size=30)"
GROUPS = tuple(f"score(batch_size={size})" for size in (1, 5, 10, 15, 20, 50, 100))
STRATEGIES = (BASE, *GROUPS, "binary(batch_size=30)", "listwise", "first(window_size=26, stride=13)", "setwise")
CHOOSING = ("first(window_size=26, stride=13)", "setwise")
JUDGES = (
    JudgeModel(name="gpt-4o", grades="gpt-4o"),
    JudgeModel(name="gpt-4o and s = 0.5", grades="gpt-4o", noise=0.5),
    *(JudgeModel(name=f"s = {noise:g}", noise=noise) for noise in (0.5, 1.0, 2.0)),
)
BIASES = (0.5, 1.0, 2.0)


@dataclass
class Agreement:
    """How often a choice is the same in both orders of its labels."""

    asked: int = 0
    same: int = 0

    def note(self, forward: Sequence[float], backward: Sequence[float]) -> None:
        """Count one choice."""
        self.asked += 1
        self.same += max(range(len(forward)), key=forward.__getitem__) == max(
            range(len(backward)), key=backward.__getitem__
        )


def answering(
    case: Case,
    judge: JudgeModel,
    seed: int,
    *,
    bias: float = 0.0,
    both: bool = False,
    agreement: Agreement | None = None,
) -> Callable[[JudgeCall], Outcome]:
    """The judge's answers to typed questions about one query."""
    dice = random.Random(f"{case.topic.id}/{seed}")

    def answer(call: JudgeCall) -> Outcome:
        n = len(call.candidates)
        noise = judge.noise * math.sqrt(n / 20)
        grades = [case.judged[candidate.index] + noise * dice.gauss(0, 1) for candidate in call.candidates]
        if call.task == "binary":
            return Scores(values=tuple(1 / (1 + math.exp(-2 * (grade - TOP_GRADE / 2))) for grade in grades))
        if call.task == "score":
            return Scores(values=tuple(min(1.0, max(0.0, grade / TOP_GRADE)) for grade in grades))
        if call.task == "listwise":
            return _ordered(grades)
        forward = [grade + bias * (1 - place / n) for place, grade in enumerate(grades)]
        backward = [grade + bias * (place + 1) / n for place, grade in enumerate(grades)]
        if agreement is not None:
            agreement.note(forward, backward)
        found = [fmean(pair) for pair in zip(_chances(forward), _chances(backward), strict=True)] if both else forward
        if call.task == "first":
            return _ordered(found)
        return Choice(label=call.options[max(range(n), key=found.__getitem__)])

    return answer


def _chances(grades: Sequence[float]) -> list[float]:
    weights = [math.exp(2 * (grade - max(grades))) for grade in grades]
    return [weight / sum(weights) for weight in weights]


def _ordered(values: Sequence[float]) -> Order:
    best_first = sorted(range(len(values)), key=lambda place: -values[place])
    return Order(order=tuple(best_first), stated=len(values))


class _Counting(FakeBackend):
    """A decision model that counts by OpenAI's vocabulary."""

    def count_tokens(self, text: str) -> int:
        """As OpenAI's models count."""
        return by_vocabulary(text)


def tokens(request: ChatRequest) -> int:
    """State and questions."""
    asked = (" ".join((question.instructions, *question.labels)) for question in request.questions)
    return by_vocabulary(prompt_text(request.messages)) + sum(map(by_vocabulary, asked))


def runs_of(
    collection: Collection, spec: str, judge: JudgeModel, runs: int, **options: object
) -> tuple[list[float], list[Run]]:
    """nDCG@10 by query, and the runs."""
    strategy, ndcgs, found = parse(spec), list[float](), list[Run]()
    for case in collection.cases(judge):
        values: list[float] = []
        for seed in range(runs if judge.random else 1):
            run = drive(
                strategy, case.topic.candidates, answering(case, judge, seed, **options), query=case.topic.query
            )  # type: ignore[arg-type]
            values.append(ndcg(case.relevance, run.order))
            found.append(run)
        ndcgs.append(fmean(values))
    return ndcgs, found


def ways(collection: Collection, judges: Sequence[JudgeModel], runs: int) -> Iterator[str]:
    """What each way to ask costs and ranks."""
    renderer = DecisionRenderer(
        _Counting("", most_questions=128, context_tokens=1_000_000), Library(), max_tokens_per_doc=1_024
    )
    base = {judge: runs_of(collection, BASE, judge, runs)[0] for judge in judges}
    yield "| strategy | calls | rounds | tokens | " + " | ".join(judge.name for judge in judges) + " |"
    yield "|---" * (4 + len(judges)) + "|"
    for spec in STRATEGIES:
        _, costs = runs_of(collection, spec, judges[0], 1)
        sent = fmean(sum(tokens(renderer.prepare(call).request) for call in run.calls) for run in costs[:20])
        cells = [
            f"{fmean(base[judge]):.3f}"
            if spec == BASE
            else difference(runs_of(collection, spec, judge, runs)[0], base[judge])
            for judge in judges
        ]
        calls, rounds = fmean(len(run.calls) for run in costs), fmean(len(run.rounds) for run in costs)
        yield f"| {spec} | {calls:.1f} | {rounds:.1f} | {sent:,.0f} | {' | '.join(cells)} |"


def orders(collection: Collection, runs: int) -> Iterator[str]:
    """What the second order of labels is worth."""
    judge = JudgeModel(name="s = 0.5", noise=0.5)
    yield "| strategy | bias | agree | one order | both orders, difference |"
    yield "|---|---|---|---|---|"
    for spec in CHOOSING:
        for bias in BIASES:
            agreement = Agreement()
            one, _ = runs_of(collection, spec, judge, runs, bias=bias, agreement=agreement)
            both, _ = runs_of(collection, spec, judge, runs, bias=bias, both=True)
            share = agreement.same / max(1, agreement.asked)
            yield f"| {spec} | {bias:g} | {share:.0%} | {fmean(one):.3f} | {difference(both, one)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("eval/results/decisions.md"))
    parser.add_argument("--sets", nargs="*", default=["dl19", "cranfield"])
    parser.add_argument("--queries", type=int, default=60, help="of each collection, at most")
    parser.add_argument("--runs", type=int, default=2, help="of a judge that errs by chance")
    options = parser.parse_args(arguments)
    lines = ["# Decision models\n", *(__doc__ or "").splitlines()]
    for name in options.sets:
        collection = Collection(options.data / name, options.queries)
        judges = [judge for judge in JUDGES if judge.grades in collection.grades]
        lines.append(f"\n## {name}: {len(collection.data.topics)} queries\n")
        for part in (ways(collection, judges, options.runs), orders(collection, options.runs)):
            for line in part:
                lines.append(line)
                print(line, flush=True)
            lines.append("")
    options.out.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
