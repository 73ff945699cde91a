"""Voyage's API: https://docs.voyageai.com/reference/reranker-api."""

from __future__ import annotations

from typing import Any

from judge_rerank.server.problems import Problem
from judge_rerank.server.request import Answer, Asked
from judge_rerank.server.shapes.base import Count, Document, Flag, Shape, WithQuery, texts_of
from judge_rerank.server.shapes.schemas import DETAIL, META, SCORE, TEXT, WHOLE, lists, objects


class VoyageBody(WithQuery):
    """A request of Voyage's API."""

    model: str | None = None
    documents: list[Document]
    top_k: Count | None = None
    return_documents: Flag | None = None


def asked(body: VoyageBody) -> Asked:
    """The request of a body."""
    return Asked(
        model=body.model,
        query=body.text(),
        documents=texts_of(body.documents),
        top_n=body.top_k,
        with_documents=bool(body.return_documents),
    )


def answered(answer: Answer, asked: Asked) -> dict[str, Any]:
    """The reply's body; a document is a text in it."""
    shown = [{"document": r.text} if asked.with_documents else {} for r in answer.results]
    return {
        "object": "list",
        "data": [
            {"index": r.index, "relevance_score": r.score, **document}
            for r, document in zip(answer.results, shown, strict=True)
        ],
        "model": answer.model,
        "usage": {"total_tokens": answer.meta.input_tokens + answer.meta.output_tokens},
        "meta": answer.meta.to_dict(),
    }


def refused(problem: Problem) -> dict[str, Any]:
    """The body of an error."""
    return {"detail": problem.message}


VOYAGE = Shape(
    name="voyage",
    body=VoyageBody,
    asked=asked,
    answered=answered,
    refused=refused,
    reply=objects(
        {
            "object": TEXT,
            "data": lists(objects({"index": WHOLE, "relevance_score": SCORE}, {"document": TEXT})),
            "model": TEXT,
            "usage": objects({"total_tokens": WHOLE}),
            "meta": META,
        }
    ),
    error=DETAIL,
)
