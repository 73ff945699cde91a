"""From what a `Judge` is given to what it works with: backends, folders, the trace."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Literal

from judge_rerank.core import Backend, Endpoint, InputError, ModelUnavailable, SetupError
from judge_rerank.providers.backends import registered
from judge_rerank.providers.local_decisions import open_local_decisions, runs_here
from judge_rerank.spending import only_decides

Api = Literal["chat", "decisions"]
Transport = Literal["direct", "litellm"]


def open_backend(
    model: str | None,
    *,
    api: Api | None = None,
    transport: Transport | None = None,
    api_base: str | None = None,
    api_key: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> Backend:
    """The backend of a model name, as `Judge` takes it.

    `api` says how a hosted model is asked: by "chat", or by "decisions" (typed questions, answered in probabilities).
    None is chat, but for models that only decide. `transport` says what carries a chat model's requests: "litellm", or
    "direct" for APIs of OpenAI's shape. None is "direct" for servers of one's own (hosted_vllm/ and others).

    Raises:
        ModelUnavailable: no model is named, or its weights are not on this machine.
        MissingExtra: the package that runs it is not installed.
        InputError: an address, a key or a parameter that cannot be used; nothing is sent.
    """
    known_api(api)
    known_transport(transport)
    name = model or named_by_environment() or _embedded()
    opened = _not_chat(name, api=api, api_base=api_base, api_key=api_key, params=params)
    if opened is None:
        return _chat_model(name, transport, api_base=api_base, api_key=api_key, params=params)
    if transport is not None:
        raise InputError(f"{name} is not asked by a chat API, so it has no transport to choose; leave transport out.")
    return opened


def _not_chat(
    name: str,
    *,
    api: Api | None,
    api_base: str | None,
    api_key: str | None,
    params: Mapping[str, Any] | None,
) -> Backend | None:
    """The backend of a model that is not behind a chat API: it runs here, it decides, or another package brings it."""
    if name == "local" or name.startswith(("local/", "local:")):
        from judge_rerank.providers.local import open_local

        return open_local(name, params=params)
    other = registered(name, api_base=api_base, api_key=api_key, params=params)
    if other is not None:
        return other
    if runs_here(name, api_base=api_base):
        return _opened_here(name, api=api, params=params)
    if api == "decisions" or (api is None and only_decides(name)):
        return _decision_model(name, api_base=api_base, api_key=api_key, params=params)
    return None


def _chat_model(
    name: str,
    transport: str | None,
    *,
    api_base: str | None,
    api_key: str | None,
    params: Mapping[str, Any] | None,
) -> Backend:
    from judge_rerank.providers.direct import DirectBackend, is_usual
    from judge_rerank.providers.litellm import LiteLLMBackend

    direct = transport == "direct" or (transport is None and is_usual(name, params))
    return (DirectBackend if direct else LiteLLMBackend)(name, api_base=api_base, api_key=api_key, params=params)


def _opened_here(name: str, *, api: str | None, params: Mapping[str, Any] | None) -> Backend:
    """The backend of a decision model in this process."""
    if api == "chat":
        raise InputError(f"{name} answers typed questions only; it has no chat.")
    return open_local_decisions(name, params=params)


def _decision_model(
    name: str, *, api_base: str | None, api_key: str | None, params: Mapping[str, Any] | None
) -> Backend:
    """The backend of a decision model: Google's API for Gemini, LiteLLM for all others."""
    if name.startswith("gemini/"):
        from judge_rerank.providers.gemini_decisions import GeminiDecisions as Decisions
    else:
        from judge_rerank.providers.decisions import LiteLLMDecisions as Decisions
    return Decisions(name, api_base=api_base, api_key=api_key, params=params)


def known_api(api: str | None) -> None:
    """Raise where that is no way to ask a model.

    Raises:
        InputError: which ways there are.
    """
    if api not in {None, "chat", "decisions"}:
        raise InputError(
            f"The api is {api!r}; expected 'chat' or 'decisions', or None to ask a model as it is known to be."
        )


def known_transport(transport: str | None) -> None:
    """Raise where that carries no requests.

    Raises:
        InputError: what does.
    """
    if transport not in {None, "direct", "litellm"}:
        raise InputError(
            f"The transport is {transport!r}; expected 'direct' (APIs of OpenAI's shape, without LiteLLM) or "
            "'litellm', or None for 'direct' with servers of your own (hosted_vllm/ and others) and 'litellm' with "
            "all others."
        )


def open_api(api: Endpoint) -> Backend:
    """The backend of a rerank or an embedding API.

    Raises:
        MissingExtra: LiteLLM is not installed.
    """
    from judge_rerank.providers.embedding import LiteLLMEmbedder
    from judge_rerank.providers.rerank import LiteLLMReranker

    backend = LiteLLMEmbedder if api.kind == "embedding" else LiteLLMReranker
    return backend(api.model, api_base=api.api_base, api_key=api.api_key, params=dict(api.params))


def named_by_environment() -> str:
    """The model that JUDGE_RERANK_MODEL names; "" where it names none."""
    return os.environ.get("JUDGE_RERANK_MODEL", "").strip()


def _embedded() -> str:
    from judge_rerank.models import DEFAULT_JUDGE, installed_models

    if DEFAULT_JUDGE in installed_models():
        return "local"
    missing = "" if find_spec("xllamacpp") else "pip install 'judge-rerank[local]', then "
    msg = (
        "No model is named. Pass one, Judge('openai/gpt-6-luna') or -m openai/gpt-6-luna, or set "
        f"JUDGE_RERANK_MODEL. Or download the local model, which needs no key: {missing}judge-rerank models pull "
        f"{DEFAULT_JUDGE}"
    )
    raise ModelUnavailable(msg)


def open_models(
    models: Sequence[str | Backend | None], open_model: Callable[[str | None], Backend]
) -> tuple[Sequence[Backend], SetupError | None]:
    """The backends of a judge's models, or why there are none.

    That no model is named and none is on this machine is an error only once one is needed.

    Raises:
        SetupError: a model that is named cannot be opened.
    """
    try:
        return [open_model(each) if each is None or isinstance(each, str) else each for each in models], None
    except SetupError as unavailable:
        if list(models) != [None] or named_by_environment():
            raise
        return [], unavailable


def listed(model: str | Backend | Sequence[str | Backend] | None) -> Sequence[str | Backend | None]:
    """The models in the order in which they are asked; one is a list of one."""
    if model is None or isinstance(model, (str, Backend)):
        return [model]
    if not isinstance(model, Sequence) or not all(isinstance(each, (str, Backend)) for each in model):  # pyright: ignore[reportUnnecessaryIsInstance]
        msg = f"model is {model!r}; expected a name such as 'openai/gpt-6-luna', a Backend, or a list of these."
        raise InputError(msg)
    if not model:
        msg = "The list of models is empty; name at least one."
        raise InputError(msg)
    return model
