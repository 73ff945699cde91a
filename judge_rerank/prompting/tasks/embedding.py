"""Vectors from an embedding API, and what they say of documents: the cosine with the query's."""

from __future__ import annotations

import base64
import json
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any, cast

from judge_rerank.core import ChatReply, Failed, Outcome, Scores


@dataclass(frozen=True, kw_only=True, slots=True)
class Vectors(Scores):
    """What an embedding API said of texts, before they are compared with the query; no strategy is given it.

    Attributes:
        vectors: one a text, all of one length; None for a text whose vector is not of finite numbers, or of zeros.
    """

    values: tuple[float | None, ...] = ()
    vectors: tuple[array[float] | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Embedding:
    """Reads `[[index, vector], ...]`, which the backend of an embedding API makes of its reply.

    Attributes:
        texts: how many were sent.
    """

    texts: int

    def read(
        self,
        reply: ChatReply,
        n: int,  # noqa: ARG002
        *,
        options: tuple[str, ...] = (),  # noqa: ARG002
        explain: bool = False,  # noqa: ARG002
    ) -> Vectors | Failed:
        """One vector a text. A reply in which it is not certain which vector is whose is no evidence of any."""
        if reply.finish_reason == "filter":
            return Failed(reason="refused", message="The provider's content filter withheld the vectors.")
        try:
            pairs = cast("list[tuple[Any, str | None]]", json.loads(reply.text))
            found = {place: unpacked(vector) for place, vector in pairs}
        except (ValueError, TypeError):
            return _unreadable("The reply holds no vectors.")
        if len(pairs) != self.texts:
            return _unreadable(f"The reply holds {len(pairs)} vectors for {self.texts} texts.")
        if any(type(place) is not int for place in found) or sorted(found) != list(range(self.texts)):
            return _unreadable("The vectors in the reply are not numbered as the texts are.")
        vectors = tuple(found[place] for place in range(self.texts))
        if len({len(vector) for vector in vectors if vector is not None}) > 1:
            return _unreadable("The vectors in the reply differ in length.")
        usable = tuple(vector if vector is not None and _has_direction(vector) else None for vector in vectors)
        return Vectors(vectors=usable)


def compared(query: Outcome, documents: Outcome) -> Outcome:
    """The cosine of each document with the query; no score for a document that has no vector.

    Where one of the two could not be had, that failure.
    """
    if not isinstance(documents, Vectors):
        return documents
    if not isinstance(query, Vectors):
        return query
    vector = query.vectors[0]
    if vector is None:
        return _unreadable("The query's vector is not of finite numbers, or of zeros alone.")
    length = next((len(each) for each in documents.vectors if each is not None), len(vector))
    if length != len(vector):
        return _unreadable(f"The query's vector has {len(vector)} numbers, and the documents' have {length}.")
    raw = tuple(None if each is None else _cosine(vector, each) for each in documents.vectors)
    return Scores(values=tuple(None if cosine is None else (1 + cosine) / 2 for cosine in raw), raw=raw)


def packed(vector: Any) -> str | None:
    """A vector as base64 of 32-bit floats, which is what the APIs compute; None for what is no list of numbers."""
    try:
        numbers = array("f", vector)
    except (TypeError, ValueError, OverflowError):
        return None
    return base64.b64encode(numbers.tobytes()).decode("ascii") if numbers else None


def unpacked(text: str | None) -> array[float] | None:
    """The vector that `packed` made a text of.

    Raises:
        ValueError: it made none.
    """
    return None if text is None else array("f", base64.b64decode(text, validate=True))


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    dot = sum(map(mul, one, other))
    return max(-1.0, min(1.0, dot / (math.hypot(*one) * math.hypot(*other))))


def _has_direction(vector: Sequence[float]) -> bool:
    return 0 < math.hypot(*vector) < math.inf


def _unreadable(message: str) -> Failed:
    return Failed(reason="unreadable", message=message)
