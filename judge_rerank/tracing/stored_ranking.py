"""A finished ranking as the trace holds it: what was returned, each call once, however many documents it judged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any, cast

from judge_rerank.core import (
    Document,
    Finding,
    Integrity,
    Judgment,
    Kept,
    Passage,
    RankedDocument,
    Ranking,
    Statement,
    Tier,
    Usage,
)

# What differs between the judgments of one call.
_OWN = ("passage", *Statement.__dataclass_fields__)
_OF_CALL = tuple(name for name in Judgment.__dataclass_fields__ if name not in {"window", *_OWN})


def to_columns(ranking: Ranking) -> dict[str, Any]:
    """The ranking in JSON types, by column; its documents are stored when it begins."""
    calls: dict[tuple[Any, ...], int] = {}
    results = [
        [
            r.index,
            r.relevance_score,
            r.confidence,
            ends(r.evidence),
            [_judgment(j, r.index, calls) for j in r.judgments],
        ]
        for r in ranking.results
    ]
    details = {
        "calls": [_call(*call) for call in calls],
        "notes": ranking.notes,
        "kept": [[kept.stage, kept.indices] for kept in ranking.kept],
        "integrity": asdict(ranking.integrity),
        "answerable": ranking.answerable,
        "tiers": None if ranking.tiers is None else [asdict(tier) for tier in ranking.tiers],
    }
    return {
        "results": results,
        "usage": _plain(asdict(ranking.usage)),
        "details": details,
    }


def results_in(columns: Mapping[str, Any], documents: Sequence[Document]) -> list[RankedDocument]:
    """The results, best first."""
    calls: list[dict[str, Any]] = [
        tupled(call) | {"cost_usd": _decimal(call["cost_usd"])} for call in json.loads(columns["details"])["calls"]
    ]

    suspicious = rest_of(columns)["integrity"].suspicious

    def result(rank: int, index: int, score: float | None, *rest: Any) -> RankedDocument:
        confidence, evidence, said = rest
        judgments: list[tuple[int, dict[str, Any]]] = said
        return RankedDocument(
            rank=rank,
            index=index,
            relevance_score=score,
            document=documents[index],
            judgments=tuple(_judgment_in(calls[call], own, index) for call, own in judgments),
            confidence=confidence,
            evidence=passage_in(evidence),
            warnings=tuple(each for each in suspicious if each.index == index),
        )

    return [result(rank, *held) for rank, held in enumerate(json.loads(columns["results"]), start=1)]


def rest_of(columns: Mapping[str, Any]) -> dict[str, Any]:
    """What `Ranking` takes beside the results, the query and the names."""
    details: dict[str, Any] = json.loads(columns["details"]) if columns["details"] else {}
    kept = cast("list[tuple[str, list[int]]]", details.get("kept", []))
    return {
        "status": "complete" if columns["status"] == "complete" else "partial",
        "reasons": json.loads(columns["reasons"]),
        "usage": _usage(json.loads(columns["usage"])),
        "notes": details.get("notes", ()),
        "kept": [Kept(stage=stage, indices=tuple(indices)) for stage, indices in kept],
        "integrity": _integrity(details["integrity"]) if details else None,
        "answerable": details.get("answerable"),
        "tiers": None if details.get("tiers") is None else [Tier(**tupled(tier)) for tier in details["tiers"]],
    }


def _judgment(judgment: Judgment, index: int, calls: dict[tuple[Any, ...], int]) -> list[Any]:
    """The number of the judgment's call, and what it says of this document alone.

    A window of the document alone is left out, so that the call of a scorer is stored once for thousands of documents.
    """
    window = None if judgment.window == (index,) else judgment.window
    call = calls.setdefault((window, *[getattr(judgment, name) for name in _OF_CALL]), len(calls))
    own = {name: value for name in _OWN if (value := getattr(judgment, name)) is not None}
    return [call, own if judgment.passage is None else own | {"passage": ends(judgment.passage)}]


def _call(window: Sequence[int] | None, *values: Any) -> dict[str, Any]:
    call = _plain(dict(zip(_OF_CALL, values, strict=True)))
    return call if window is None else {"window": window, **call}


def _judgment_in(call: Mapping[str, Any], own: Mapping[str, Any], index: int) -> Judgment:
    """The judgment of the document at `index` from its call and what was said of it alone."""
    values: dict[str, Any] = {"window": (index,), **call, **own, "passage": passage_in(own.get("passage"))}
    return Judgment(**values)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in values.items()}


def tupled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with the tuples that JSON made lists of."""
    return {
        name: tuple(cast("list[Any]", value)) if isinstance(value, list) else value for name, value in values.items()
    }


def _integrity(values: Mapping[str, Any]) -> Integrity:
    held = tupled(values)
    held["suspicious"] = tuple(Finding(**each) for each in values.get("suspicious", ()))
    return Integrity(**held)


def _usage(values: Mapping[str, Any]) -> Usage:
    dollars: dict[str, Any] = {name: _decimal(values[name]) for name in ("cost_usd", "saved_usd")}
    return Usage(**{**values, **dollars})


def _decimal(stored: str | None) -> Decimal | None:
    return None if stored is None else Decimal(stored)


def ends(passage: Passage | None) -> list[int] | None:
    """A passage in JSON types."""
    return None if passage is None else [passage.start, passage.end]


def passage_in(stored: Sequence[int] | None) -> Passage | None:
    """A passage from JSON types."""
    return None if stored is None else Passage(start=stored[0], end=stored[1])
