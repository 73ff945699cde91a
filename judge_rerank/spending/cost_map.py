"""Prices from the cost map that LiteLLM brings, read from its file: importing LiteLLM takes seconds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from judge_rerank.spending.price import Price, Tier

Entry = Mapping[str, Any]

_FILE = "model_prices_and_context_window_backup.json"

_PER_TOKEN = {
    "input_usd_per_mtok": "input_cost_per_token",
    "output_usd_per_mtok": "output_cost_per_token",
    "cached_input_usd_per_mtok": "cache_read_input_token_cost",
    "cache_write_usd_per_mtok": "cache_creation_input_token_cost",
    "cache_write_1h_usd_per_mtok": "cache_creation_input_token_cost_above_1hr",
    "reasoning_usd_per_mtok": "output_cost_per_reasoning_token",
}
DECISION_MODES = frozenset({"evaluation", "decisions"})
"""What the map calls models that only answer typed questions."""
_UNLISTED_DECISION_MODELS = frozenset({"gemini/gemini-decision-1"})
"""Such models that the map does not have."""
_ABOVE = re.compile(r"_above_(\d+)(k?)_tokens")
# Providers whose entries bear a longer name than the prefix of their models.
_FAMILIES = ("vertex_ai", "bedrock", "fireworks_ai", "cohere")
# xAI bills the higher tier from the threshold on, the others above it.
_FROM_THRESHOLD_ON = ("xai",)


def find_price(
    model: str, entries: Mapping[str, Entry] | None = None, *, service_tier: str | None = None, batch: bool = False
) -> Price | None:
    """The price of a model by its LiteLLM name; `batch` is for requests of batch jobs, which cost half where the map
    does not say what they cost.

    Returns None when there is no entry, when it has no price per token, call or search, and when all its prices are
    zero: there an entry is about something else than money.
    """
    found = entry_of(model, None if entries is None else _by_lower_name(entries))
    if found is None:
        return None
    return _price(_batched(found[1]), None) if batch else _price(found[1], service_tier)


def entry_of(model: str, entries: Mapping[str, Entry] | None = None) -> tuple[str, Entry] | None:
    """A model's entry in the map, with the name that it has there, in lower case; None where there is none."""
    entries = bundled() if entries is None else entries
    for name, provider in _names(model.lower()):
        if name in entries and _is_of(entries[name], provider):
            return name, entries[name]
    return None


_BATCHES = "_batches"
_BATCH_SHARE = Decimal("0.5")


def _batched(entry: Entry) -> Entry:
    """The entry with the prices of batch jobs for those of single requests."""
    found = dict(entry)
    for name in _PER_TOKEN.values():
        for key in [key for key in entry if key.startswith(name) and not key.endswith(_BATCHES)]:
            above = key.removeprefix(name)
            if above and not _ABOVE.fullmatch(above):
                continue
            told, usual = entry.get(key + _BATCHES), entry[key]
            found[key] = told if told is not None else None if usual is None else str(_usd(usual) * _BATCH_SHARE)
    return found


@lru_cache(maxsize=1)
def bundled() -> Mapping[str, Entry]:
    """The entries of the LiteLLM that is installed, by name in lower case; none when it is not."""
    spec = find_spec("litellm")
    folders = (spec.submodule_search_locations or []) if spec is not None else []
    for folder in folders:
        path = Path(folder) / _FILE
        if path.is_file():
            return _by_lower_name(json.loads(path.read_text(encoding="utf-8")))
    return {}


def chat_models() -> tuple[str, ...]:
    """The chat models of the LiteLLM that is installed, as a user names them: provider first, sorted."""
    return tuple(sorted({_full(name, entry) for name, entry in bundled().items() if entry.get("mode") == "chat"}))


def decision_models() -> tuple[str, ...]:
    """The models that answer typed questions, provider first, sorted: the installed LiteLLM's, and Gemini's."""
    found = (
        _full(name, entry)
        for name, entry in bundled().items()
        if entry.get("mode") in DECISION_MODES or "/v1/decisions" in (entry.get("supported_endpoints") or ())
    )
    return tuple(sorted({*found, *_UNLISTED_DECISION_MODELS}))


def _full(name: str, entry: Entry) -> str:
    """A model's name with its provider in front."""
    return name if "/" in name else f"{entry.get('litellm_provider')}/{name}"


def only_decides(model: str) -> bool:
    """Whether a model answers typed questions and nothing else; one that is not listed does what its provider does."""
    found = entry_of(model)
    if found is not None:
        return found[1].get("mode") in DECISION_MODES
    if model.lower() in _UNLISTED_DECISION_MODELS:
        return True
    provider = model.partition("/")[0].lower()
    modes = {other.get("mode") for other in bundled().values() if other.get("litellm_provider") == provider}
    return bool(modes) and modes <= DECISION_MODES


def _by_lower_name(entries: Mapping[str, Entry]) -> Mapping[str, Entry]:
    return {name.lower(): entry for name, entry in entries.items()}


def _names(model: str) -> Iterator[tuple[str, str | None]]:
    """Names under which a model may be listed, with the provider that the entry must then have; surest first."""
    provider, _, bare = model.partition("/")
    yield model, None
    if bare:
        yield bare, provider
    if (bare or model).startswith("ft:"):
        general = re.sub(r"(:[^:]*){3}$", "", model)
    elif provider in ("gemini", "vertex_ai", "databricks"):
        general = re.sub(r"-\d+$", "", model)
    else:
        general = re.sub(r"-\d{4}-\d{2}-\d{2}$", "", model)
    if general != model:
        yield general, None
        if bare:
            yield general.partition("/")[2], provider


def _is_of(entry: Entry, provider: str | None) -> bool:
    owner = entry.get("litellm_provider")
    if provider is None or owner is None:
        return True
    return owner == provider or (provider.startswith(_FAMILIES) and str(owner).startswith(provider))


def _price(entry: Entry, service_tier: str | None) -> Price | None:
    suffix = {"fast": "_priority"}.get(service_tier or "", f"_{service_tier}") if service_tier else ""
    tiers = _tiers(entry, suffix)
    base = _per_token(entry, suffix)
    if entry.get("tiered_pricing") and tiers:
        base, tiers = _without_threshold(tiers[0]), tiers[1:]
    if entry.get("mode") == "embedding":
        base.setdefault("output_usd_per_mtok", Decimal(0))  # there is none
    if "input_usd_per_mtok" not in base or "output_usd_per_mtok" not in base:
        return None
    price = Price(
        **base,
        per_call_usd=_per_call(entry),
        per_search_unit_usd=_usd(entry.get("input_cost_per_query")) if entry.get("mode") == "rerank" else 0,
        tiers=tuple(tiers),
        regions=_regions(entry),
        source="litellm",
    )
    return None if price.is_free else price


def _per_token(entry: Entry, suffix: str = "", above: str = "") -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for name, key in _PER_TOKEN.items():
        value = entry.get(f"{key}{above}{suffix}")
        value = entry.get(f"{key}{above}") if value is None else value
        if value is not None:
            found[name] = _usd(value) * 1_000_000
    return found


def _tiers(entry: Entry, suffix: str) -> list[Tier]:
    table = entry.get("tiered_pricing")
    if isinstance(table, list):
        return _table_tiers(cast("list[Entry]", table), _per_token(entry))
    inclusive = 1 if entry.get("litellm_provider") in _FROM_THRESHOLD_ON else 0
    thresholds = {match.group(0): match for key in entry if (match := _ABOVE.search(key))}
    return [
        Tier(
            above_input_tokens=int(match.group(1)) * (1000 if match.group(2) else 1) - inclusive,
            **_per_token(entry, suffix, above),
        )
        for above, match in sorted(thresholds.items())
    ]


def _table_tiers(table: list[Entry], base: Mapping[str, Decimal]) -> list[Tier]:
    """Tiers that stand for themselves: what one leaves out is priced as its own input or output."""
    tiers: list[Tier] = []
    for row in sorted(table, key=lambda row: row.get("range", [0])[0]):
        rates = _per_token(row)
        if "input_usd_per_mtok" not in rates:
            return []
        rates.setdefault("output_usd_per_mtok", base.get("output_usd_per_mtok", Decimal(0)))
        rates.setdefault("cached_input_usd_per_mtok", rates["input_usd_per_mtok"])
        rates.setdefault("cache_write_usd_per_mtok", rates["input_usd_per_mtok"])
        rates.setdefault("cache_write_1h_usd_per_mtok", rates["cache_write_usd_per_mtok"])
        rates.setdefault("reasoning_usd_per_mtok", rates["output_usd_per_mtok"])
        tiers.append(Tier(above_input_tokens=int(row.get("range", [0])[0]), **rates))
    return tiers


def _without_threshold(tier: Tier) -> dict[str, Any]:
    return {name: getattr(tier, name) for name in _PER_TOKEN}


def _per_call(entry: Entry) -> Decimal:
    fee = _usd(entry.get("input_cost_per_request"))
    if entry.get("mode") in DECISION_MODES:
        fee += _usd(entry.get("input_cost_per_query"))
    searches = entry.get("search_context_cost_per_query")
    if entry.get("litellm_provider") == "perplexity" and isinstance(searches, Mapping):
        # Every call of these models searches, and is billed for it.
        fee += max(map(_usd, cast("Mapping[str, Any]", searches).values()), default=Decimal(0))
    return fee


def _regions(entry: Entry) -> dict[str, Decimal]:
    extra = entry.get("provider_specific_entry")
    if entry.get("litellm_provider") != "anthropic" or not isinstance(extra, Mapping):
        return {}
    factors = cast("Mapping[str, Any]", extra)
    return {name: _usd(value) for name, value in factors.items() if name != "fast" and isinstance(value, (int, float))}


def _usd(value: Any) -> Decimal:
    return Decimal(str(value)) if value is not None else Decimal(0)
