"""What a chat request looks like to LiteLLM, and the switches by which a caller shapes it.

Every feature has a switch in `params`; what is set there is neither guessed nor learnt:

| Key               | Value                                                                                       |
|-------------------|---------------------------------------------------------------------------------------------|
| `logprobs`        | False, True, or how many alternatives of a token are asked for (1 to 20)                    |
| `json_format`     | "json_schema", "json_object" or "none": how JSON is asked for                               |
| `limit_param`     | "max_tokens" or "max_completion_tokens": what the limit on the reply's length is called     |
| `context_tokens`  | the model's context                                                                         |
| `reasoning_tokens`| head room for its thinking                                                                  |
| `concurrency`     | how many requests at once                                                                   |
| any of LiteLLM's  | sent as it is; None (`{"temperature": None}`) keeps what is sent by default from being sent |

None of the first six is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judge_rerank.core import ChatRequest, InputError
from judge_rerank.providers import openai_format
from judge_rerank.providers.features import FORMATS, LIMIT_PARAMS, MOST_LOGPROBS, Features

OWN_PARAMS = frozenset({"context_tokens", "reasoning_tokens", "concurrency", "logprobs", "json_format", "limit_param"})
"""Keys of `params` that are meant for this package and never sent."""

_MANAGED_PARAMS = frozenset(
    {"model", "messages", "api_base", "api_key", "base_url", "client", "shared_session", "acompletion", "stream", "n"}
    | {"max_tokens", "max_completion_tokens", "response_format", "top_logprobs", "timeout"}
    | {"max_retries", "num_retries", "fallbacks", "drop_params"}
)

_LITELLM_TIMEOUT_S = 3600.0
"""Constant, because LiteLLM keeps a client for each value; `timeout_s` is enforced here, over the whole reply."""


def split_params(params: Mapping[str, Any] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The caller's parameters as those that are sent, and those that are meant for this package.

    Raises:
        InputError: a parameter that the package sets itself, or a switch with a value that it does not have.
    """
    sent = dict(params or {})
    managed = sorted(_MANAGED_PARAMS & sent.keys())
    if managed:
        raise InputError(
            f"params cannot have {', '.join(managed)}: the judge sets that itself. "
            "It is for the model's own settings, such as temperature or reasoning_effort."
        )
    own = {name: sent.pop(name) for name in OWN_PARAMS & sent.keys()}
    own = {name: value for name, value in own.items() if value is not None}
    for name, values in {"json_format": FORMATS, "limit_param": LIMIT_PARAMS[:2]}.items():
        if own.get(name, values[0]) not in values:
            raise InputError(f"params[{name!r}] is {own[name]!r}; expected one of {', '.join(map(repr, values))}.")
    most = own.get("logprobs", False)
    if not isinstance(most, int) or not 0 <= most <= MOST_LOGPROBS:
        raise InputError(f"params['logprobs'] is {most!r}; expected True, False or a number up to {MOST_LOGPROBS}.")
    return sent, own


def top_logprobs(own: Mapping[str, Any], features: Features, *, known: bool) -> int:
    """How many alternatives of a token to ask for: as the caller says, else as many as the model was found to give."""
    wanted = own.get("logprobs", known)
    if isinstance(wanted, bool):
        return features.top_logprobs if wanted else 0
    return min(int(wanted), features.top_logprobs)


def chat_request(
    request: ChatRequest,
    *,
    model: str,
    supported: frozenset[str],
    own: Mapping[str, Any],
    features: Features,
    alternatives: int,
    plain: bool = False,
) -> dict[str, Any]:
    """The parameters of one chat request, without the address and the caller's own.

    Args:
        request: what is asked.
        model: LiteLLM's name.
        supported: the parameters that LiteLLM passes on to the provider.
        own: the caller's switches.
        features: what the model was found to refuse.
        alternatives: how many log-probabilities of each token to ask for.
        plain: whether to leave out all that can be left out, for this once.
    """
    asked: dict[str, Any] = {
        "model": model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "timeout": _LITELLM_TIMEOUT_S,
        "max_retries": 0,
        "num_retries": 0,
    }
    asked |= _limit(request, own, features)
    if "temperature" in supported:
        asked["temperature"] = request.temperature
    if request.seed is not None and "seed" in supported and not plain:
        asked["seed"] = request.seed
    if request.labels and alternatives and not plain:
        asked |= {"logprobs": True, "top_logprobs": alternatives}
    elif request.schema is not None and "response_format" in supported and not plain:
        asked |= openai_format.response_format(own.get("json_format") or features.formats[0], request)
    return {name: value for name, value in asked.items() if name not in features.refused}


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters together, later ones first; what goes into the body besides LiteLLM's own is kept from all."""
    whole = {name: value for part in parts for name, value in part.items()}
    bodies = [part["extra_body"] for part in parts if part.get("extra_body")]
    if bodies:
        whole["extra_body"] = {name: value for body in bodies for name, value in body.items()}
    return whole


def _limit(request: ChatRequest, own: Mapping[str, Any], features: Features) -> dict[str, Any]:
    most = min(request.max_output_tokens, features.most_output_tokens or request.max_output_tokens)
    name = own.get("limit_param")
    if name is None:
        name = features.limit_params[0]
    return {"extra_body": {"max_tokens": most}} if name == "extra_body" else {name: most}
