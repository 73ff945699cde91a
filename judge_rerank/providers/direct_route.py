"""Which providers answer in OpenAI's shape, where they are asked, and what the table of models says of a model."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from judge_rerank.core import InputError
from judge_rerank.providers.catalog import UNKNOWN_CONTEXT_TOKENS, Route
from judge_rerank.spending import bundled, entry_of

_log = logging.getLogger(__name__)

_PARAMETERS = frozenset({"temperature", "seed", "response_format", "logprobs", "top_logprobs", "top_p"})


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenAIEndpoint:
    """Where a provider is asked, and as whom.

    Attributes:
        address_variables: the environment variables that may hold its address, the first that is set counts.
        key_variable: the one that may hold the key.
        usual: its address where nobody says another.
        needs_key: whether it answers nobody without a key.
        renames_limit: whether its models that reason call the limit on a reply's length `max_completion_tokens`.
        parameters: what it takes besides what all take.
    """

    address_variables: tuple[str, ...]
    key_variable: str
    usual: str | None = None
    needs_key: bool = False
    renames_limit: bool = False
    parameters: frozenset[str] = frozenset()

    def address(self) -> str | None:
        """Its address, by the environment."""
        named = (os.environ.get(name, "").strip() for name in self.address_variables)
        return next((address for address in named if address), self.usual)

    def key(self) -> str:
        """The key in the environment; "" for none."""
        return os.environ.get(self.key_variable, "")


def _own(stem: str, *, usual: str | None = None, parameters: frozenset[str] = frozenset()) -> OpenAIEndpoint:
    return OpenAIEndpoint(
        address_variables=(f"{stem}_API_BASE",), key_variable=f"{stem}_API_KEY", usual=usual, parameters=parameters
    )


_EFFORT = frozenset({"reasoning_effort", "thinking"})

SELF_HOSTED: Mapping[str, OpenAIEndpoint] = {
    "hosted_vllm": _own("HOSTED_VLLM", parameters=_EFFORT),
    "litellm_proxy": _own("LITELLM_PROXY", parameters=_EFFORT),
    "llamafile": _own("LLAMAFILE", usual="http://127.0.0.1:8080/v1"),
    "lm_studio": _own("LM_STUDIO"),
    "openai_like": _own("OPENAI_LIKE"),
}
"""Servers of one's own, by LiteLLM's name for them: vLLM, SGLang, gateways, llama.cpp's server and others like it."""

ENDPOINTS: Mapping[str, OpenAIEndpoint] = {
    **SELF_HOSTED,
    "openai": OpenAIEndpoint(
        address_variables=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        key_variable="OPENAI_API_KEY",
        usual="https://api.openai.com/v1",
        needs_key=True,
        renames_limit=True,
    ),
}


def endpoint_of(model: str) -> OpenAIEndpoint:
    """Where a model's provider is asked.

    Raises:
        InputError: it has an API of its own, or the name has no provider.
    """
    provider, slash, name = model.partition("/")
    found = ENDPOINTS.get(provider) if slash and name else None
    if found is None:
        known = ", ".join(f"{each}/" for each in sorted(ENDPOINTS))
        raise InputError(
            f"{model} cannot be asked with transport='direct', which is for APIs of OpenAI's shape and names that "
            f"begin with {known}. Leave transport out, or name a server of that shape as 'openai/NAME' with its "
            "api_base."
        )
    return found


def rows() -> Mapping[str, Mapping[str, Any]]:
    """The table of models that the installed LiteLLM brings, read from its file."""
    return bundled()


@lru_cache(maxsize=256)
def route(model: str) -> Route:
    """What is known of the model; a warning, once, where that is nothing."""
    provider, _, name = model.partition("/")
    found = entry_of(model)
    table = dict(found[1], key=found[0]) if found is not None else {}
    if not table:
        _log.warning(
            "The table of models does not have %r: a context of %d tokens is assumed, and its price is not known. Give "
            "the context with params={'context_tokens': ...}.",
            model,
            UNKNOWN_CONTEXT_TOKENS,
        )
    return Route(
        model=name,
        provider=provider,
        supported=_PARAMETERS | ENDPOINTS[provider].parameters if not table.get("supports_reasoning") else _of(table),
        table=table,
        priced={"input_cost_per_token", "output_cost_per_token"} <= table.keys(),
    )


def _of(table: Mapping[str, Any]) -> frozenset[str]:
    """What a model that reasons takes: log-probabilities and a temperature only where it can do without reasoning."""
    levels = table.get("reasoning_effort_levels") or ()
    quiet = "none" in levels or table.get("supports_none_reasoning_effort")
    without = frozenset[str]() if quiet else frozenset({"temperature", "logprobs", "top_logprobs", "top_p"})
    return (_PARAMETERS | {"reasoning_effort"}) - without
