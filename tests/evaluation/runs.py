"""Runs made up for tests and benchmarks: any number of queries, variants and documents, the same for the same seed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import cache
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

from judge_rerank import Document
from judge_rerank.core import Judgment
from judge_rerank.evaluation.record import DatasetInfo, Placed, Result, RunInfo, Variant
from judge_rerank.evaluation.runfolder import RunFolder

METRICS = ("nDCG@10", "P@5", "RR@10")


@dataclass(frozen=True, kw_only=True)
class Made:
    """A variant: how far it errs (in grades), and what a call of it takes."""

    name: str
    model: str
    strategy: str
    prompt: str
    noise: float
    usd: str | None
    seconds: float


VARIANTS = tuple(
    Made(name=name, model=model, strategy=strategy, prompt=prompt, noise=noise, usd=usd, seconds=seconds)
    for name, model, strategy, prompt, noise, usd, seconds in (
        ("terse · mini", "openai/mini", "score", "terse", 0.9, "0.00003", 0.7),
        ("rubric · mini", "openai/mini", "score", "rubric", 0.6, "0.00006", 0.9),
        ("listwise · mini", "openai/mini", "listwise", "rankgpt", 0.5, "0.0009", 2.6),
        ("listwise · large", "openai/large", "listwise", "rankgpt", 0.42, "0.009", 3.4),
        ("rubric · embedded", "local", "score", "rubric", 1.3, "0", 0.8),
        ("rubric · in-house", "in-house/judge", "score", "rubric", 0.8, None, 1.1),
        ("terse · large", "openai/large", "score", "terse", 0.62, "0.0005", 1.2),
        ("worded badly · mini", "openai/mini", "score", "vague", 4.0, "0.00004", 0.8),
    )
)


def write_run(
    path: Path,
    *,
    queries: int = 6,
    variants: Sequence[Made] = VARIANTS[:3],
    documents: int = 8,
    datasets: Sequence[str] = ("news",),
    seeds: Sequence[int] = (0,),
    words: int = 40,
    seed: int = 0,
    texts: Mapping[int, str] | None = None,
    baseline: str = "first-stage",
    finished: bool = True,
) -> RunFolder:
    """A run in a folder; `texts` are put in place of the made-up ones, for documents of the first query by number."""
    folder = RunFolder(path)
    folder.write_info(
        RunInfo(
            name="prompt-variants",
            description="Which wording, with which model and strategy.",
            started="2026-01-02T03:04:05+00:00",
            metrics=METRICS,
            baseline=baseline,
            variants=[
                Variant(name="first-stage", reference="first-stage"),
                Variant(name="ideal", reference="ideal"),
                *(
                    Variant(name=v.name, model=v.model, strategy=v.strategy, prompts={v.strategy: v.prompt})
                    for v in variants
                ),
            ],
            datasets=[DatasetInfo(name=name, queries=queries, documents=queries * documents) for name in datasets],
            seeds=list(seeds),
            finished=finished,
            version="0.0",
        )
    )
    dice = Random(seed)
    with folder.appending() as lines:
        for dataset in datasets:
            made: list[Document] = []
            for number in range(queries):
                few = texts if number == 0 else None
                query = _Query(dataset, number, documents, words, dice, few or {})
                made += query.documents
                for result in query.results(variants, seeds):
                    lines.add(_shallow(result) | {"ranking": [_shallow(placed) for placed in result.ranking]})
            folder.write_documents(dataset, made)
    return folder


class _Query:
    """One query with its documents, their grades and the order of the first stage."""

    def __init__(self, dataset: str, number: int, n: int, words: int, dice: Random, texts: Mapping[int, str]) -> None:
        self.dataset, self.id, self.dice = dataset, f"q{number}", dice
        self.text = f"how does {_phrase(dice, 2)} change {_phrase(dice, 3)}?"
        self.documents = [
            Document(
                id=f"{self.id}-d{place}",
                title=_phrase(dice, 4).capitalize() if place % 3 == 0 else None,
                text=texts.get(place, _sentence(dice, words)),
            )
            for place in range(n)
        ]
        self.grades = [max(0, round(dice.gauss(0.4, 1.1))) % 4 for _ in range(n)]
        self.grades[dice.randrange(n)] = 3
        noise = [grade + dice.gauss(0, 2.2) for grade in self.grades]
        self.first = sorted(range(n), key=lambda place: -noise[place])

    def results(self, variants: Sequence[Made], seeds: Sequence[int]) -> Iterator[Result]:
        yield self._result("first-stage", 0, self.first, {}, {"calls": 0, "cost_usd": "0"})
        best = sorted(self.first, key=lambda place: -self.grades[place])
        yield self._result("ideal", 0, best, {}, {"calls": 0, "cost_usd": "0"})
        for variant in variants:
            for seed in seeds:
                felt = [grade + self.dice.gauss(0, variant.noise) for grade in self.grades]
                order = sorted(self.first, key=lambda place: -felt[place])
                calls = list(self._calls(variant, felt))
                judged: dict[int, list[dict[str, Any]]] = {}
                for call in calls:
                    for place, judgment in call.items():
                        judged.setdefault(place, []).append(judgment)
                costs = [next(iter(call.values()))["cost_usd"] for call in calls]
                usage = {
                    "calls": len(calls), "cached_calls": 0, "reasks": 0,
                    "rounds": len(calls) if variant.strategy == "listwise" else 1,
                    "input_tokens": 420 * len(calls), "output_tokens": 30 * len(calls),
                    "cost_usd": None if None in costs else str(sum(map(Decimal, costs))),
                    "latency_s": variant.seconds * (len(calls) if variant.strategy == "listwise" else 2)
                    * self.dice.uniform(0.8, 1.6),
                }  # fmt: skip
                yield self._result(variant.name, seed, order, judged, usage)

    def _calls(self, variant: Made, felt: Sequence[float]) -> Iterator[dict[int, dict[str, Any]]]:
        """The judgments of each call by document."""
        if variant.strategy == "listwise":
            order = list(self.first)
            for start in [*range(max(0, len(order) - 20), 0, -10), 0]:
                window = order[start : start + 20]
                best = sorted(window, key=lambda place: -felt[place])
                reply = " > ".join(f"[{1 + window.index(place)}]" for place in best)
                order[start : start + 20] = best
                shown = tuple(self.first.index(place) for place in window)
                yield {
                    place: _judgment(variant, reply=reply, position=1 + rank, window=shown)
                    for rank, place in enumerate(best)
                }
            return
        for place in self.first:
            label = str(min(10, max(1, round(1 + 3 * felt[place]))))
            reason = _sentence(self.dice, 14)
            reply = json.dumps({"reason": reason, "score": int(label)})
            shown = (self.first.index(place),)
            yield {
                place: _judgment(variant, reply=reply, reason=reason, label=label, score=int(label) / 10, window=shown)
            }

    def _result(
        self,
        variant: str,
        seed: int,
        order: Sequence[int],
        judged: Mapping[int, Sequence[Mapping[str, Any]]],
        usage: Mapping[str, Any],
    ) -> Result:
        return Result(
            variant=variant,
            dataset=self.dataset,
            seed=seed,
            query_id=self.id,
            query=self.text,
            metrics=measured([self.grades[place] for place in order]),
            usage=usage,
            integrity={"parsed": usage["calls"], "repaired": 0, "failed": {}},
            ranking=[
                Placed(
                    id=self.documents[place].id or "",
                    rank=rank,
                    index=self.first.index(place),
                    first_stage=1 + self.first.index(place),
                    grade=None if place % 7 == 5 and not self.grades[place] else float(self.grades[place]),
                    score=judged[place][-1]["score"] if place in judged else None,
                    judgments=judged.get(place, ()),
                )
                for rank, place in enumerate(order, start=1)
            ],
        )


def measured(grades: Sequence[int]) -> dict[str, float]:
    """The metrics of an order of grades."""
    best = _dcg(sorted(grades, reverse=True)[:10])
    first = next((rank for rank, grade in enumerate(grades[:10], start=1) if grade), None)
    return {
        "nDCG@10": _dcg(grades[:10]) / best if best else 0.0,
        "P@5": sum(grade > 0 for grade in grades[:5]) / 5,
        "RR@10": 1 / first if first else 0.0,
    }


def _dcg(grades: Iterable[int]) -> float:
    return math.fsum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, start=1))


def _judgment(variant: Made, **said: Any) -> dict[str, Any]:
    judgment = Judgment(
        stage=variant.strategy,
        round=1,
        prompt=f"{variant.strategy}/{variant.prompt}",
        prompt_hash="5eed" * 16,
        model=variant.model,
        input_tokens=420,
        output_tokens=30,
        latency_s=variant.seconds,
        **said,
    )
    return _shallow(judgment) | {"cost_usd": variant.usd, "window": list(judgment.window)}


def _shallow(record: Any) -> dict[str, Any]:
    """`asdict` without its deep copies, which take most of the time for half a million of judgments."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


_COMMON = """the of and in to a is that for it was on are as with they be at this from have or by not but what all were
when we there can an your which their said if do will each about how up out them then she many some so these would"""
_SYLLABLES = "ba ce di fo gu la me ni po ru sa te vi zo mar len tin por sul dra ken ost ver"


@cache
def _vocabulary() -> tuple[list[str], list[float]]:
    """Words with cumulative weights: few words are frequent and many are rare, as in any text."""
    dice = Random(0)
    syllables = _SYLLABLES.split()
    words = _COMMON.split() + ["".join(dice.choices(syllables, k=dice.randint(2, 4))) for _ in range(20_000)]
    return words, list(accumulate(1 / (rank + 8) for rank in range(len(words))))


def _phrase(dice: Random, words: int) -> str:
    vocabulary, weights = _vocabulary()
    return " ".join(dice.choices(vocabulary, cum_weights=weights, k=words))


def _sentence(dice: Random, words: int) -> str:
    return _phrase(dice, words).capitalize() + "."
