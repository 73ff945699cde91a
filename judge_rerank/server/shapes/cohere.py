"""Cohere's API, version 2: https://docs.cohere.com/reference/rerank. What version 1 has beside it stands in `jina`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from judge_rerank.server.problems import Problem
from judge_rerank.server.request import Answer, Asked, Result, SpansWanted
from judge_rerank.server.shapes.base import Body, Count, Document, Flag, Shape, WithQuery, texts_of
from judge_rerank.server.shapes.schemas import MESSAGE, META, SCORE, SPANS, TEXT, WHOLE, lists, objects

_UNIT = 100
"""Documents of a search unit."""


class Spans(Body):
    """Which passages of a document to send."""

    threshold: Annotated[float, Field(strict=True, ge=0, le=1)] | None = None
    max_spans: Count | None = None


class CohereBody(WithQuery):
    """A request of Cohere's API."""

    model: str | None = None
    documents: list[Document]
    top_n: Count | None = None
    relevant_spans: Spans | Flag | None = None


def asked(body: CohereBody) -> Asked:
    """The request of a body."""
    given = body.relevant_spans
    spans = SpansWanted(threshold=given.threshold or 0, most=given.max_spans or 1) if isinstance(given, Spans) else None
    return Asked(
        model=body.model,
        query=body.text(),
        documents=texts_of(body.documents),
        top_n=body.top_n,
        spans=SpansWanted() if given is True else spans,
    )


def meta_of(answer: Answer, version: str) -> dict[str, Any]:
    """What Cohere tells of a request, with what the judge tells."""
    meta = answer.meta
    return {
        "api_version": {"version": version},
        "billed_units": {"search_units": -(-meta.documents // _UNIT)},
        "tokens": {"input_tokens": meta.input_tokens, "output_tokens": meta.output_tokens},
        **meta.to_dict(),
    }


def spans_of(result: Result, wanted: SpansWanted | None) -> dict[str, Any]:
    """The passage that decided, where it is asked for and known."""
    span = result.span
    if wanted is None or span is None or span.score < wanted.threshold:
        return {}
    return {"relevant_spans": [{"start": span.start, "end": span.end, "score": span.score}]}


def answered(answer: Answer, asked: Asked) -> dict[str, Any]:
    """The reply's body."""
    results = [{"index": r.index, "relevance_score": r.score, **spans_of(r, asked.spans)} for r in answer.results]
    return {"id": answer.id, "results": results, "meta": meta_of(answer, "2")}


def refused(problem: Problem) -> dict[str, Any]:
    """The body of an error."""
    return {"message": problem.message}


COHERE = Shape(
    name="cohere",
    body=CohereBody,
    asked=asked,
    answered=answered,
    refused=refused,
    reply=objects(
        {
            "id": TEXT,
            "results": lists(objects({"index": WHOLE, "relevance_score": SCORE}, {"relevant_spans": SPANS})),
            "meta": META,
        }
    ),
    error=MESSAGE,
)
