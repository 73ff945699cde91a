"""What a provider's usage block says was used, whatever the provider calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from judge_rerank.core import ChatReply

_MOST = 10**9  # far beyond any model's context
_COUNTS = frozenset(
    {
        *("prompt_tokens", "promptTokenCount", "input_tokens", "total_tokens", "totalTokenCount", "billed_units"),
        *("completion_tokens", "candidatesTokenCount", "output_tokens", "search_units"),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Metered:
    """What one call used.

    Attributes:
        input_tokens: all of them; the three below are part of it.
        cached_input_tokens: read from the provider's prompt cache.
        cache_write_tokens: written to that cache for the usual time (five minutes with Anthropic).
        cache_write_1h_tokens: written to it for an hour.
        output_tokens: all of them, reasoning included.
        reasoning_tokens: the part of the output that is reasoning.
        search_units: what rerank APIs bill by.
        documents: documents sent to a rerank API; no provider reports it, so it is the caller's to fill in.
        region: where it was served, when the provider names it ("us").
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    search_units: int = 0
    documents: int = 0
    region: str | None = None


def metered(reply: ChatReply, *, documents: int = 0, decided: bool = False) -> Metered | None:
    """What a reply says it used; None where it does not say, which is never taken for nothing.

    Args:
        reply: with the provider's usage block; without one, with the counts that its backend gives.
        documents: how many were sent to a rerank API, whose replies have no words and which no provider reports.
        decided: whether a decision model answered, whose replies have no words either.
    """
    block = reply.usage
    if not block.keys() & _COUNTS and "meta" not in block:
        block = {
            "prompt_tokens": reply.input_tokens,
            "completion_tokens": reply.output_tokens,
            "prompt_tokens_details": {"cached_tokens": reply.cached_input_tokens},
        }
    used = read_usage(block, worded=bool(reply.text.strip()) and not (documents or decided))
    return None if used is None else replace(used, documents=documents)


def read_usage(block: Mapping[str, Any], *, worded: bool = False) -> Metered | None:
    """Read the usage block of an OpenAI, Anthropic, Gemini, Cohere, Voyage or LiteLLM reply.

    Where the numbers leave room for doubt, the reading that costs more is taken. What cannot be is no number: None
    stands for a block that counts no input (nothing is answered without any), none of the words that came, or where a
    count is negative, not finite, beyond any model, or no number at all, or more of the input was cached than there
    was. Nothing can be concluded from such a block, and least of all that nothing was used.

    Args:
        block: as the provider sent it.
        worded: whether words came with it, so that an output of 0 is wrong.
    """
    block = {**block, **(_part(block, "billed_units") or _part(_part(block, "meta"), "billed_units"))}
    try:
        used = _read(block)
    except _NoCount:
        return None
    says_nothing = not used.input_tokens and not used.search_units
    return None if says_nothing or (worded and not used.output_tokens) else used


def _read(block: Mapping[str, Any]) -> Metered:
    given_input = _first(block, "prompt_tokens", "promptTokenCount", "input_tokens")
    given_output = _first(block, "completion_tokens", "candidatesTokenCount", "output_tokens")
    total = _first(block, "total_tokens", "totalTokenCount")
    cached, write_5m, write_1h = _cache(block)
    input_tokens = given_input or max(0, (total or 0) - (given_output or 0))
    if _counts_cache_apart(block):
        if not given_input:  # the rest of the input, of which there always is some
            raise _NoCount
        input_tokens += cached + write_5m + write_1h
    if cached + write_5m + write_1h > input_tokens:
        raise _NoCount

    answer = _part(block, "completion_tokens_details") or _part(block, "output_tokens_details")
    reasoning = _first(answer, "reasoning_tokens") or _first(block, "thoughtsTokenCount") or 0
    region = block.get("inference_geo")
    return Metered(
        input_tokens=input_tokens,
        cached_input_tokens=cached,
        cache_write_tokens=write_5m,
        cache_write_1h_tokens=write_1h,
        # Some leave reasoning out of the output; the total has it.
        output_tokens=max(given_output or 0, (total or 0) - input_tokens, reasoning),
        reasoning_tokens=reasoning,
        search_units=_first(block, "search_units") or 0,
        region=region.lower() if isinstance(region, str) else None,
    )


class _NoCount(Exception):
    """Something stands where a count should, and cannot be one."""


def _cache(block: Mapping[str, Any]) -> tuple[int, int, int]:
    """Tokens read from the prompt cache, written to it, and written to it for an hour."""
    details = _input_details(block)
    cached = _first(details, "cached_tokens") or _first(
        block, "cache_read_input_tokens", "cachedContentTokenCount", "prompt_cache_hit_tokens"
    )
    by_time = _part(details, "cache_creation_token_details") or _part(block, "cache_creation")
    write_1h = _first(by_time, "ephemeral_1h_input_tokens") or 0
    write_5m = _first(by_time, "ephemeral_5m_input_tokens") or 0
    written = _first(details, "cache_write_tokens", "cache_creation_tokens") or 0
    written = written or _first(block, "cache_creation_input_tokens") or 0
    return cached or 0, max(written - write_1h, write_5m), write_1h


def _counts_cache_apart(block: Mapping[str, Any]) -> bool:
    """Anthropic counts cached tokens beside the input, everybody else within it."""
    if "prompt_tokens" in block or _input_details(block):
        return False
    return "cache_read_input_tokens" in block or "cache_creation_input_tokens" in block


def _input_details(block: Mapping[str, Any]) -> Mapping[str, Any]:
    return _part(block, "prompt_tokens_details") or _part(block, "input_tokens_details")


def _part(block: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = block.get(name)
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _first(block: Mapping[str, Any], *names: str) -> int | None:
    """The first of these counts that is given; None where none is.

    Raises:
        _NoCount: what is given cannot be a count.
    """
    for name in names:
        if block.get(name) is None:
            continue
        count = plausible_count(block[name])
        if count is None:
            raise _NoCount
        return count
    return None


def plausible_count(value: object) -> int | None:
    """A number of tokens, rounded up; None for what cannot be one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MOST:
        return None
    return -int(-value // 1)
