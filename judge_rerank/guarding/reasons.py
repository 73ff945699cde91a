"""Why a sentence is suspicious, in words."""

from __future__ import annotations

from collections.abc import Sequence

from judge_rerank.guarding.features import NAMES
from judge_rerank.guarding.lines import ECHO, OTHERS

_LEAST_REPEATED = 0.3

_PLACES = {name: place for place, name in enumerate(NAMES)}
# The first that holds is the reason: each is known by any of these features.
_REASONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("speaks as the system or as another speaker", ("role", "token")),
    ("forges an order of the documents", ("chain",)),
    ("tells the reader to set instructions aside", ("override + instruction", "override + previous")),
    (OTHERS, ("others + low", "others + document", "override + others")),
    ("states a verdict", ("verdict", "json")),
    (
        "tells the judge how to rate, rank or answer",
        ("verdict verb + score", "verdict verb + top", "verdict verb + relevant", "verdict verb + yes", "fraction"),
    ),
    ("claims authority for itself", ("claim + document", "claim + answers", "claim + relevant", "claim + judge")),
    (
        "says of itself that it answers the question",
        ("document + answers", "answers + query", "exactly + answers", "document + relevant", "document + top"),
    ),
    (ECHO, ("query whole", "query here alone", "query repeats")),
    ("names a document as the prompt does", ("named", "block")),
)


def is_heading(vector: Sequence[float]) -> bool:
    """Whether all that is suspicious about a sentence is that it has the words of the query, once.

    Honest pages begin with the question that they answer, and in forums documents are questions themselves.
    """
    repeated = vector[_PLACES["query repeats"]] >= 2 or vector[_PLACES["repeats"]] >= _LEAST_REPEATED
    speaks = vector[_PLACES["own classes"]] > 0
    return not (repeated or speaks) and reason_of(vector) == ECHO


def reason_of(vector: Sequence[float]) -> str:
    """What is suspicious about a sentence with these features."""
    for reason, names in _REASONS:
        if any(vector[_PLACES[name]] > 0 for name in names):
            return reason
    return "reads as if written for a judge"
