"""A question to an API about many documents, in calls that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from judge_rerank.core import ApiCall, Candidate, ContextLimits, Outcome, Steps
from judge_rerank.strategies.algorithms.windows import batches

# A text that was halved so often, or would be shorter than this, is not refused for its length.
_MOST_HALVINGS, _LEAST_CHARACTERS = 5, 64
# Requests that are refused before any was accepted, after which the shortest documents are asked about alone; and how
# many of these are refused as well before the others are not asked about.
_REFUSED_AT_FIRST, _REFUSED_ALONE = 2, 2
_REFUSED = ("oversized", "refused")

Asked = tuple[list[tuple[Candidate, ...]], list[Outcome]]


def asked_in_parts(call: ApiCall, limits: ContextLimits, batch_size: int) -> Steps[Asked]:
    """What comes of a call, asked in batches, and of those that are refused for their documents in smaller ones.

    The API refuses a whole request for one of its documents, so the request is divided until what it objects to stands
    alone and the others have their scores. That happens here rather than where requests are sent, so that each part is
    a call like any other: reserved under the cap before it leaves, cached, traced and counted.

    While the API has accepted nothing, the parts are asked one after the other: what it objects to may be the query,
    and then no number of parts would help. So after the second refusal the two shortest documents are asked about, each
    alone: where the API refuses these too, it is the query. That takes four requests however many documents there are,
    and up to five more for each of the two that is long enough to be cut.

    Args:
        call: about all documents.
        limits: how many documents fit in a request, as far as the API has said so.
        batch_size: the most documents a call.

    Returns:
        The candidates of each call and its outcome, in the order in which they were asked.
    """
    asked: list[tuple[Candidate, ...]] = []
    outcomes: list[Outcome] = []
    size = limits.largest(call, batch_size)
    waiting = [replace(call, candidates=tuple(batch)) for batch in batches(call.candidates, size)]
    accepted, refused_alone = False, 0
    while waiting and refused_alone < _REFUSED_ALONE:
        now = waiting if accepted or not asked else waiting[:1]
        came = list(zip(now, (yield now), strict=True))
        asked += [part.candidates for part in now]
        outcomes += [outcome for _, outcome in came]
        accepted = accepted or any(outcome.failure is None for _, outcome in came)
        smaller = [_smaller(part, outcome, limits) for part, outcome in came]
        refused_alone += sum(not parts and o.failure in _REFUSED for parts, (_, o) in zip(smaller, came, strict=True))
        refused_alone *= not accepted
        waiting = [*(part for parts in smaller for part in parts), *waiting[len(now) :]]
        if not accepted and len(asked) == _REFUSED_AT_FIRST:
            waiting = _shortest_first(waiting)
    return asked, outcomes


def _shortest_first(parts: Sequence[ApiCall]) -> list[ApiCall]:
    """The same documents, the shortest of them alone and in front."""
    known = [(len(candidate.document.text), part, candidate) for part in parts for candidate in part.candidates]
    shortest = sorted(known, key=lambda each: each[0])[:_REFUSED_ALONE]
    alone = [candidate for _, _, candidate in shortest]
    rest = [
        replace(part, candidates=left)
        for part in parts
        if (left := tuple(candidate for candidate in part.candidates if candidate not in alone))
    ]
    return [*(replace(part, candidates=(candidate,)) for _, part, candidate in shortest), *rest]


def _smaller(call: ApiCall, outcome: Outcome, limits: ContextLimits) -> list[ApiCall]:
    """The calls that a refused one is divided into; none where it was answered, or nothing is left to divide."""
    if outcome.failure not in _REFUSED:
        return []
    count = len(call.candidates)
    if count > 1:
        size = min(limits.largest(call, count), -(-count // 2))
        return [replace(call, candidates=tuple(batch)) for batch in batches(call.candidates, size)]
    halvings = call.halvings + 1
    long = len(call.candidates[0].document.text) >> halvings >= _LEAST_CHARACTERS
    if outcome.failure == "oversized" and long and halvings <= _MOST_HALVINGS:
        return [replace(call, halvings=halvings)]
    return []
