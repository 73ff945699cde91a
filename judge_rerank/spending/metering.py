"""What a provider's usage block says was used, whatever the provider calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast


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


def read_usage(block: Mapping[str, Any]) -> Metered | None:
    """Read the usage block of an OpenAI, Anthropic, Gemini, Cohere, Voyage or LiteLLM reply.

    Where the numbers leave room for doubt, the reading that costs more is taken. Returns None when the block counts
    nothing, which is no evidence that nothing was used.
    """
    block = {**block, **(_part(block, "billed_units") or _part(_part(block, "meta"), "billed_units"))}
    search_units = _first(block, "search_units")
    given_input = _first(block, "prompt_tokens", "promptTokenCount", "input_tokens")
    given_output = _first(block, "completion_tokens", "candidatesTokenCount", "output_tokens")
    total = _first(block, "total_tokens", "totalTokenCount")
    if given_input is None and given_output is None and total is None and search_units is None:
        return None

    cached, write_5m, write_1h = _cache(block)
    input_tokens = given_input if given_input is not None else (total or 0) - (given_output or 0)
    if _counts_cache_apart(block):
        input_tokens += cached + write_5m + write_1h
    input_tokens = max(input_tokens, cached + write_5m + write_1h)

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
        search_units=search_units or 0,
        region=region.lower() if isinstance(region, str) else None,
    )


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
    for name in names:
        value = block.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15:
            return -int(-value // 1)
    return None
