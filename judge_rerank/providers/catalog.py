"""What LiteLLM's tables say of a model. They are handed in: this module does not import LiteLLM."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from judge_rerank.core import UnknownName

_log = logging.getLogger(__name__)

UNKNOWN_CONTEXT_TOKENS = 8192
"""The context length assumed for a model that LiteLLM's table does not have."""

REASONING_TOKENS = 4096
"""Head room for a model that reasons before it answers."""

_DOCUMENTED: Mapping[str, Mapping[str, Any]] = {"gemini/gemini-decision-1": {"max_input_tokens": 262_144}}
"""Models that LiteLLM's table does not have, with what their provider says of them."""

_ASKED_OVER_THE_NETWORK = {
    "ollama": "ollama",
    "ollama_chat": "ollama",
    "lemonade": "lemonade",
    "huggingface": "huggingface",
}
"""Providers whose models LiteLLM looks up at a server, with the prefix that they have in its table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """Where LiteLLM sends a model's requests and what its tables say of the model.

    Attributes:
        model: the name without the provider.
        provider: LiteLLM's name for it.
        supported: the parameters that LiteLLM passes on to it.
        table: its row of the price and context table; empty where there is none.
        priced: whether that row has prices, which may be 0.
    """

    model: str
    provider: str
    supported: frozenset[str]
    table: Mapping[str, Any]
    priced: bool


@lru_cache(maxsize=256)
def route(litellm: Any, model: str, api_base: str | None) -> Route:
    """What is known of the model; a warning, once, where that is nothing.

    Raises:
        UnknownName: LiteLLM cannot tell the provider from the name.
    """
    try:
        name, provider, _, _ = litellm.get_llm_provider(model, api_base=api_base)
    except litellm.BadRequestError:
        hint = "Names are LiteLLM's, provider first, as in 'openai/gpt-6-luna'."
        raise UnknownName("model", model, _names(litellm), hint) from None
    table = _row(litellm, model, name, provider)
    row = litellm.model_cost.get(table.get("key"), {})
    supported = litellm.get_supported_openai_params(model=name, custom_llm_provider=provider) or ()
    return Route(
        model=name,
        provider=provider,
        supported=frozenset(supported),
        table=table,
        priced={"input_cost_per_token", "output_cost_per_token"} <= row.keys(),
    )


def _names(litellm: Any) -> set[str]:
    """LiteLLM's models, those whose provider the table says apart with the provider before the name as well."""
    rows = cast("Mapping[str, Mapping[str, Any]]", litellm.model_cost)
    bare = ((name, row.get("litellm_provider")) for name, row in rows.items() if "/" not in name)
    full = (name for name in rows if "/" in name)
    return {*litellm.model_list, *full, *(f"{provider}/{name}" for name, provider in bare if provider)}


def _row(litellm: Any, model: str, name: str, provider: str) -> dict[str, Any]:
    """LiteLLM's row for the model, without a network; empty, with a warning, where it has none."""
    prefix = _ASKED_OVER_THE_NETWORK.get(provider)
    if prefix is not None:
        key = f"{prefix}/{name}"
        if key in litellm.model_cost:
            return {**litellm.model_cost[key], "key": key}
    else:
        # LiteLLM has no common base for the errors of a model that it does not know.
        with contextlib.suppress(Exception):
            return cast("dict[str, Any]", litellm.get_model_info(name, custom_llm_provider=provider))
    documented = _DOCUMENTED.get(f"{provider}/{name}")
    if documented is not None:
        return dict(documented)
    _log.warning(
        "LiteLLM's table does not have %r: a context of %d tokens is assumed, and its price is not known. Give the "
        "context with params={'context_tokens': ...}.",
        model,
        UNKNOWN_CONTEXT_TOKENS,
    )
    return {}


_CHAT_BY_OTHER_CODE = frozenset({"aiml", "lemonade", "xinference"})
"""Providers that LiteLLM asks as OpenAI's although it has no settings of their own for them."""


@lru_cache(maxsize=1)
def without_chat() -> frozenset[str]:
    """LiteLLM's providers that have no chat: rerankers, vector stores, pictures, sound."""
    from litellm.types.utils import LlmProviders
    from litellm.utils import ProviderConfigManager

    found = set[str]()
    for provider in LlmProviders:
        # LiteLLM has no common base for the errors of a provider that lacks its settings.
        with contextlib.suppress(Exception):
            if ProviderConfigManager.get_provider_chat_config("a-model", provider) is None:
                found.add(provider.value)
    return frozenset(found - _CHAT_BY_OTHER_CODE)


def missing_keys(litellm: Any, model: str) -> list[str]:
    """The environment variables, any one of which would be the key that is missing.

    Empty where the provider can be used in other ways too (a cloud's own sign-in), which only a call can tell.
    """
    missing = cast("list[str]", litellm.validate_environment(model)["missing_keys"])
    return missing if all(name.endswith("_API_KEY") for name in missing) else []
