"""Which shape a request has, by its path and its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from judge_rerank.server.request import Answer, Asked
from judge_rerank.server.shapes.base import Shape
from judge_rerank.server.shapes.cohere import COHERE
from judge_rerank.server.shapes.jina import JINA
from judge_rerank.server.shapes.tei import TEI
from judge_rerank.server.shapes.voyage import VOYAGE

_MARKS: Mapping[str, Shape] = {"texts": TEI, "top_k": VOYAGE, "truncation": VOYAGE}
"""By a field that only the requests of one API have, its shape."""


def _without_documents(answer: Answer, asked: Asked) -> object:
    """LiteLLM posts the same body for Infinity and for vLLM, and wants a text from the one and an object from the
    other. Leaving the documents out suits both, who have them anyway."""
    return JINA.answered(answer, replace(asked, with_documents=False))


BARE = replace(JINA, answered=_without_documents)

AT: Mapping[str, Shape] = {"/rerank": BARE, "/v1/rerank": JINA, "/v2/rerank": COHERE, "/v1/v2/rerank": COHERE}
"""By path, the shape of what has no field that says otherwise."""


def shape_for(path: str, body: object) -> Shape:
    """The shape of a request."""
    usual = AT[path]
    if usual is COHERE or not isinstance(body, Mapping):
        return usual
    return next((shape for field, shape in _MARKS.items() if field in body), usual)


def shapes_at(path: str) -> tuple[Shape, ...]:
    """The shapes that requests to a path may have."""
    usual = AT[path]
    return (usual,) if usual is COHERE else (usual, *dict.fromkeys(_MARKS.values()))
