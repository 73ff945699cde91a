"""The API of Jina and vLLM, which Cohere's version 1, Infinity, Together, Xinference, LocalAI and others are like.

Most clients that are told a base URL speak it, and they read different fields of the reply. So it has them all:
`results` with `usage` (Jina, vLLM), `data` (Voyage's clients that send nothing else of Voyage's), `meta` (Cohere's),
`tokens` (Xinference's).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from judge_rerank.server.problems import plain_error
from judge_rerank.server.request import Answer, Asked
from judge_rerank.server.shapes import cohere
from judge_rerank.server.shapes.base import Flag, Shape
from judge_rerank.server.shapes.schemas import DOCUMENT, META, SCORE, SPANS, TEXT, WHOLE, lists, objects


class JinaBody(cohere.CohereBody):
    """A request of Jina's API, and of those that are like it."""

    return_documents: Flag | None = None


def asked(body: JinaBody) -> Asked:
    """The request of a body."""
    return replace(cohere.asked(body), with_documents=bool(body.return_documents))


def answered(answer: Answer, asked: Asked) -> dict[str, Any]:
    """The reply's body."""
    meta = answer.meta
    results = [
        {
            "index": r.index,
            "relevance_score": r.score,
            **({"document": {"text": r.text}} if asked.with_documents else {}),
            **cohere.spans_of(r, asked.spans),
        }
        for r in answer.results
    ]
    return {
        "id": answer.id,
        "object": "list",
        "model": answer.model,
        "results": results,
        "data": [{"index": r.index, "relevance_score": r.score} for r in answer.results],
        "usage": {"total_tokens": meta.input_tokens + meta.output_tokens, "prompt_tokens": meta.input_tokens},
        "tokens": {"input_tokens": meta.input_tokens, "output_tokens": meta.output_tokens},
        "meta": cohere.meta_of(answer, "1"),
    }


_RESULT = objects({"index": WHOLE, "relevance_score": SCORE}, {"document": DOCUMENT, "relevant_spans": SPANS})

JINA = Shape(
    name="jina",
    body=JinaBody,
    asked=asked,
    answered=answered,
    refused=plain_error,
    reply=objects(
        {
            "id": TEXT,
            "object": TEXT,
            "model": TEXT,
            "results": lists(_RESULT),
            "data": lists(objects({"index": WHOLE, "relevance_score": SCORE})),
            "usage": objects({"total_tokens": WHOLE, "prompt_tokens": WHOLE}),
            "tokens": objects({"input_tokens": WHOLE, "output_tokens": WHOLE}),
            "meta": META,
        }
    ),
    error=objects({"message": TEXT, "detail": TEXT, "error": objects({"message": TEXT, "type": TEXT, "code": WHOLE})}),
)
