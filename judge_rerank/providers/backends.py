"""Backends by the prefix of a model's name: those that other packages bring, and those that a caller registers.

    from judge_rerank import Judge, backend

    @backend("mine")
    def open_mine(model, *, api_base=None, api_key=None, params=None):
        return MyBackend(model)

    Judge("mine/some-model")

A package brings its own by an entry point of the group `judge_rerank.backends`, named as the prefix. What is registered
is called with the whole name and what the judge was given, and returns a `Backend`. A prefix that is not registered
is LiteLLM's, or `local`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from judge_rerank.core import Backend, InputError, Registry, UnknownName

_OURS = "local"


class OpensBackend(Protocol):
    """Makes the backend of a model name."""

    def __call__(
        self, model: str, /, *, api_base: str | None, api_key: str | None, params: Mapping[str, Any] | None
    ) -> Backend:
        """The backend."""
        ...


BACKENDS: Registry[OpensBackend] = Registry("backend", decorators=("backend",), groups=("judge_rerank.backends",))

Opener = TypeVar("Opener")


def backend(prefix: str) -> Callable[[Opener], Opener]:
    """A decorator that registers a function or class under a prefix of model names.

    Raises:
        InputError: it is no prefix, or another backend has it.
    """
    if prefix == _OURS:
        raise InputError(f"The prefix {prefix!r} is this package's own, for models that run here; choose another.")
    return BACKENDS.register(prefix)


def registered(
    name: str, *, api_base: str | None, api_key: str | None, params: Mapping[str, Any] | None
) -> Backend | None:
    """The backend of a model name whose prefix is registered; None where it is not.

    Raises:
        InputError: two packages bring the prefix, or what is registered gives no backend.
        SetupError: what brings it cannot be imported.
    """
    prefix, slash, _ = name.partition("/")
    if not slash:
        return None
    try:
        opens = BACKENDS.get(prefix)
    except UnknownName:
        return None
    opened = opens(name, api_base=api_base, api_key=api_key, params=params)
    if not isinstance(opened, Backend):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(
            f"The backend {prefix!r} gave {type(opened).__name__}, which is not a Backend: it needs info, "
            "count_tokens, complete and aclose."
        )
    return opened
