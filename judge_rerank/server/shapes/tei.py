"""The API of Text Embeddings Inference: https://huggingface.github.io/text-embeddings-inference.

Its reply is a bare list, so how the ranking was made stands in the headers.
"""

from __future__ import annotations

from typing import Any

from judge_rerank.server.problems import Problem
from judge_rerank.server.request import Answer, Asked
from judge_rerank.server.shapes.base import Count, Document, Flag, Shape, WithQuery, texts_of
from judge_rerank.server.shapes.schemas import SCORE, TEXT, WHOLE, lists, objects

_TYPES = {413: "Validation", 422: "Validation", 424: "Backend", 429: "Overloaded", 503: "Overloaded", 502: "Backend"}


class TeiBody(WithQuery):
    """A request of TEI's API. LiteLLM adds `top_n`."""

    model: str | None = None
    texts: list[Document]
    return_text: Flag | None = None
    top_n: Count | None = None


def asked(body: TeiBody) -> Asked:
    """The request of a body."""
    return Asked(
        model=body.model,
        query=body.text(),
        documents=texts_of(body.texts),
        top_n=body.top_n,
        with_documents=bool(body.return_text),
    )


def answered(answer: Answer, asked: Asked) -> list[dict[str, Any]]:
    """The reply's body."""
    shown = [{"text": r.text} if asked.with_documents else {} for r in answer.results]
    return [{"index": r.index, "score": r.score, **text} for r, text in zip(answer.results, shown, strict=True)]


def refused(problem: Problem) -> dict[str, Any]:
    """The body of an error."""
    return {"error": problem.message, "error_type": _TYPES.get(problem.status, problem.kind)}


TEI = Shape(
    name="tei",
    body=TeiBody,
    asked=asked,
    answered=answered,
    refused=refused,
    reply=lists(objects({"index": WHOLE, "score": SCORE}, {"text": TEXT})),
    error=objects({"error": TEXT, "error_type": TEXT}),
)
