"""A ranking as the page shows it: order, scores, what each stage said, what it cost, what was not judged."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from judge_rerank.core import Judgment, RankedDocument, Ranking, integrity_text, judgment_text
from judge_rerank.server.ranking import meta_of
from judge_rerank.server.table import Route


def shown(ranking: Ranking, route: Route, *, texts: bool) -> dict[str, Any]:
    """A ranking in types of JSON.

    Args:
        ranking: of all documents.
        route: what made it.
        texts: whether the client may see what the documents, the query and the judge say.
    """
    usage, size = ranking.usage, len(ranking)
    unjudged = set(ranking.integrity.unjudged)
    cuts = [(kept.stage, set(kept.indices)) for kept in ranking.kept]
    meta = meta_of(ranking, route, size).to_dict()
    return meta | {
        "route": route.name,
        "query": ranking.query.text if texts else None,
        "notes": meta["notes"] if texts else [],
        "rounds": usage.rounds,
        "scored_pairs": usage.scored_pairs,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "integrity": integrity_text([ranking]),
        "truncated": list(ranking.integrity.truncated),
        "texts": texts,
        "results": [
            _document(each, texts=texts)
            | {
                "judged": each.index not in unjudged,
                "cut_by": next((stage for stage, kept in cuts if each.index not in kept), None),
            }
            for each in ranking
        ],
    }


def _document(ranked: RankedDocument, *, texts: bool) -> dict[str, Any]:
    stages = [(stage, list(said)) for stage, said in groupby(ranked.judgments, key=lambda judgment: judgment.stage)]
    return {
        "rank": ranked.rank,
        "index": ranked.index,
        "score": ranked.relevance_score,
        "confidence": ranked.confidence,
        "warnings": list(dict.fromkeys(warning.reason for warning in ranked.warnings)),
        "text": ranked.document.text if texts else None,
        "reason": _reason(ranked) if texts else None,
        "stages": [{"stage": stage, "said": _said(said, texts=texts)} for stage, said in stages],
    }


def _reason(ranked: RankedDocument) -> str | None:
    """The last reason that a judge gave."""
    return next((judgment.reason for judgment in reversed(ranked.judgments) if judgment.reason), None)


def _said(judgments: list[Judgment], *, texts: bool) -> str:
    """What a stage said of a document last, and how often it was asked. A label may be the judge's own words."""
    last = judgments[-1]
    told = "judged" if last.label is not None and not texts else judgment_text(last)
    return told if len(judgments) == 1 else f"{told}, asked {len(judgments)} times"
