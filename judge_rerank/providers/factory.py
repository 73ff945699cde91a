"""From what a `Judge` is given to what it works with: backends, folders, the trace."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from judge_rerank.cache.reply_cache import ReplyCache
from judge_rerank.core.backend import Backend
from judge_rerank.core.errors import InputError, ModelUnavailable
from judge_rerank.core.strategy import Endpoint
from judge_rerank.learning.calibration import Calibration
from judge_rerank.models.locations import cache_dir as cache_dir_of_user
from judge_rerank.tracing.trace import Trace

DEFAULT_CACHE = "default"
"""The user's cache folder: $JUDGE_RERANK_CACHE_DIR, else the system's place for caches."""


def open_backend(
    model: str | None,
    *,
    api_base: str | None = None,
    api_key: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> Backend:
    """The backend of a model name, as `Judge` takes it.

    Raises:
        ModelUnavailable: no model is named, or its weights are not on this machine.
        MissingExtra: the package that runs it is not installed.
    """
    name = model or named_by_environment() or _embedded()
    if name == "local" or name.startswith(("local/", "local:")):
        from judge_rerank.providers.local import open_local

        return open_local(name, params=params)
    from judge_rerank.providers.litellm import LiteLLMBackend

    return LiteLLMBackend(name, api_base=api_base, api_key=api_key, params=params)


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
    from judge_rerank.models import locations as models

    if models.DEFAULT_JUDGE in models.installed():
        return "local"
    msg = (
        "No model is named. Pass one, Judge('openai/gpt-4.1-mini') or -m openai/gpt-4.1-mini, or set "
        "JUDGE_RERANK_MODEL; or download the embedded one, which needs no key: "
        f"judge-rerank models pull {models.DEFAULT_JUDGE}"
    )
    raise ModelUnavailable(msg)


def listed(model: str | Backend | Sequence[str | Backend] | None) -> Sequence[str | Backend | None]:
    """The models in the order in which they are asked; one is a list of one."""
    if model is None or isinstance(model, (str, Backend)):
        return [model]
    if not isinstance(model, Sequence) or not all(isinstance(each, (str, Backend)) for each in model):  # pyright: ignore[reportUnnecessaryIsInstance]
        msg = f"model is {model!r}; expected a name such as 'openai/gpt-4.1-mini', a Backend, or a list of these."
        raise InputError(msg)
    if not model:
        msg = "The list of models is empty; name at least one."
        raise InputError(msg)
    return model


def opened_cache(
    cache_dir: str | Path | ReplyCache | None, models: Sequence[str | Backend | None]
) -> ReplyCache | None:
    """The cache that was given, or one in the folder where replies are kept; None where they are not."""
    if isinstance(cache_dir, ReplyCache):
        return cache_dir
    folder = cache_folder(cache_dir, models)
    return ReplyCache(folder) if folder is not None else None


def cache_folder(cache_dir: str | Path | None, models: Sequence[str | Backend | None]) -> Path | None:
    """Where replies are kept: as named, the user's own for models given by name, or nowhere."""
    if cache_dir != DEFAULT_CACHE:
        return None if cache_dir is None else Path(cache_dir).expanduser()
    # What a backend of the caller's own answers may depend on what nobody here knows.
    named = all(each is None or isinstance(each, str) for each in models)
    return cache_dir_of_user() if named else None


def opened_trace(trace: str | Path | Trace | None, secrets: Iterable[str]) -> Trace | None:
    """The trace that was given, named, or named by the environment, which keeps no secret; None for none."""
    if not isinstance(trace, Trace):
        file = trace or os.environ.get("JUDGE_RERANK_TRACE", "").strip()
        trace = Trace(file) if file else None
    if trace is not None:
        trace.hide(secrets)
    return trace


def opened_calibration(calibration: Calibration | str | Path | None) -> Calibration | None:
    """The calibration, read if it is a file's path."""
    return Calibration.load(calibration) if isinstance(calibration, (str, Path)) else calibration


def folders(prompts: str | Path | Sequence[str | Path] | None) -> list[Path]:
    """The folders of templates."""
    if prompts is None:
        return []
    several = [prompts] if isinstance(prompts, (str, Path)) else prompts
    return [Path(folder).expanduser() for folder in several]
