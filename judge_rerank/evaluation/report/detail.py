"""The queries of a run, packed for the page: small enough to open at once, unpacked one query at a time.

A page holds half a million places with their judgments, of which a reader looks at a few hundred. So every query is a
blob of its own (JSON, gzip, base64) that the page unpacks when it is opened. A document stands once in the page, in a
blob of the documents that its first query brought; a call stands once in its query, with its raw reply, however many
documents it judged.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from judge_rerank.core import Document
from judge_rerank.evaluation.record import Placed, Result, RunInfo

_CALL = (
    "stage", "round", "prompt", "model", "reply", "repairs", "failure", "input_tokens", "output_tokens", "cost_usd",
    "latency_s", "cached", "window",
)  # fmt: skip
_USAGE = ("calls", "cached_calls", "rounds", "input_tokens", "output_tokens", "cost_usd", "latency_s")


@dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """What the page holds of the queries.

    Attributes:
        index: read when the page opens: variants, queries and their metrics.
        rankings: a blob for each query: calls, and the ranking of each variant and seed.
        documents: a blob for each query: the documents that no earlier query has. `index["starts"]` says how
            many documents stand before it.
    """

    index: Mapping[str, Any]
    rankings: Sequence[str]
    documents: Sequence[str]


def packed(
    info: RunInfo,
    results: Iterable[Result],
    documents: Mapping[tuple[str, str], Document],
    letters: Mapping[str, str],
) -> Packed:
    """Everything that the page shows of single queries.

    Args:
        info: the experiment.
        results: of every variant.
        documents: by dataset and id; one that is missing is shown by its id alone.
        letters: of the variants, as in superscripts.
    """
    variant = {v.name: number for number, v in enumerate(info.variants)}
    by_query: defaultdict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        if result.variant in variant:
            by_query[result.dataset, result.query_id].append(result)
    numbers: dict[tuple[str, str], int] = {}
    starts: list[int] = []
    rankings: list[str] = []
    texts: list[str] = []
    for found in by_query.values():
        starts.append(len(numbers))
        rankings.append(_blob(_query(found, variant, numbers)))
        new = list(numbers)[starts[-1] :] if len(numbers) > starts[-1] else []
        texts.append(_blob([_document(dataset, name, documents) for dataset, name in new]))
    index = {
        "variants": [
            {
                "name": v.name,
                "letter": letters.get(v.name, ""),
                "about": " · ".join(filter(None, (v.model, v.strategy, *v.prompts.values()))),
                "reference": v.reference,
            }
            for v in info.variants
        ],
        "datasets": [dataset.name for dataset in info.datasets],
        "metrics": list(info.metrics),
        "seeds": list(info.seeds),
        "starts": starts,
        "queries": [
            {
                "id": query_id,
                "dataset": dataset,
                "text": found[0].query,
                "values": _values(found, info),
            }
            for (dataset, query_id), found in by_query.items()
        ],
    }
    return Packed(index=index, rankings=rankings, documents=texts)


def _values(found: Sequence[Result], info: RunInfo) -> list[list[float | None]]:
    """By metric and variant, the mean over the seeds."""
    sums: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for result in found:
        for metric, value in result.metrics.items():
            sums[metric, result.variant].append(value)
    return [
        [round(sum(have) / len(have), 6) if (have := sums.get((metric, v.name))) else None for v in info.variants]
        for metric in info.metrics
    ]


@dataclass(slots=True)
class _Table:
    """Values that stand once, by number."""

    rows: list[Any] = field(default_factory=list[Any])
    places: dict[str, int] = field(default_factory=dict[str, int])

    def number(self, row: Sequence[Any]) -> int:
        key = json.dumps(row)
        if key not in self.places:
            self.places[key] = len(self.rows)
            self.rows.append(row)
        return self.places[key]


def _query(
    found: Sequence[Result], variant: Mapping[str, int], numbers: dict[tuple[str, str], int]
) -> Mapping[str, Any]:
    calls = _Table()
    runs = [
        {
            "variant": variant[result.variant],
            "seed": result.seed,
            "metrics": result.metrics,
            "status": result.status,
            "reasons": list(result.reasons),
            "usage": {name: result.usage.get(name) for name in _USAGE},
            "places": [_place(placed, result.dataset, calls, numbers) for placed in result.ranking],
        }
        for result in found
    ]
    return {"calls": calls.rows, "runs": runs}


def _place(placed: Placed, dataset: str, calls: _Table, numbers: dict[tuple[str, str], int]) -> list[Any]:
    """Document, first stage, grade, score, judgments; its rank is its place in the list."""
    document = numbers.setdefault((dataset, placed.id), len(numbers))
    judgments = [
        [
            calls.number([*(judgment.get(name) for name in _CALL[:-1]), len(judgment.get("window") or ())]),
            judgment.get("score"),
            judgment.get("label"),
            judgment.get("position"),
            judgment.get("reason"),
        ]
        for judgment in placed.judgments
    ]
    return [document, placed.first_stage, placed.grade, placed.score, judgments]


def _document(dataset: str, name: str, documents: Mapping[tuple[str, str], Document]) -> list[str | None]:
    document = documents.get((dataset, name))
    return [name, document.title, document.text] if document else [name, None, ""]


def _blob(content: Any) -> str:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # A fixed time makes the same run the same page.
    return base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), 6, mtime=0)).decode("ascii")
