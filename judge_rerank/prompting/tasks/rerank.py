"""Scores from a rerank API, which gives them for all documents of a request at once."""

from __future__ import annotations

import json
import math
from typing import Any, cast

from judge_rerank.core import ChatReply, Failed, Scores, as_relevance


class Rerank:
    """Reads `[[index, score], ...]`, which the backend of a rerank API makes of its reply."""

    def read(
        self,
        reply: ChatReply,
        n: int,
        *,
        options: tuple[str, ...] = (),  # noqa: ARG002
        explain: bool = False,  # noqa: ARG002
    ) -> Scores | Failed:
        """A score for each document that has exactly one.

        `values` puts the scores of this reply on one scale. Whoever has several replies has to choose one over all of
        their `raw` scores.
        """
        if reply.finish_reason == "filter":
            return Failed(reason="refused", message="The provider's content filter withheld the scores.")
        found: dict[int, float] = {}
        repairs: list[str] = []
        for index, score in _pairs(reply.text):
            if not 0 <= index < n:
                repairs.append(f"index {index} is not one of the {n} documents")
            elif index in found:
                repairs.append(f"index {index} appears twice; its first score counts")
            else:
                found[index] = score
        if not found:
            return Failed(reason="unreadable", message="The reply holds no relevance score for any of the documents.")
        raw = tuple(found.get(place) for place in range(n))
        relevance = as_relevance(found)
        return Scores(values=tuple(map(relevance.get, range(n))), raw=raw, repairs=tuple(repairs))


def _pairs(text: str) -> list[tuple[int, float]]:
    try:
        value: Any = json.loads(text)
    except ValueError:
        return []
    pairs: list[tuple[int, float]] = []
    for item in cast("list[Any]", value) if isinstance(value, list) else []:
        if isinstance(item, list) and len(cast("list[Any]", item)) == 2:
            index, score = cast("list[Any]", item)
            numbers = type(index) is int and isinstance(score, (int, float)) and not isinstance(score, bool)
            if numbers and math.isfinite(score):
                pairs.append((index, float(score)))
    return pairs
