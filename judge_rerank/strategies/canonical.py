"""The canonical spec string of a strategy or a condition: the shortest one that makes it again, with its options.

Options stand in the order declared, and only where they differ from their default; equal objects have equal spec
strings. What no spec string can make, such as a function or an object of a class without a name, stands there between
angle brackets: the text identifies the strategy as well as it can, and cannot be parsed. Keys stand nowhere in it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike, fspath
from typing import Any, cast, get_args

from judge_rerank.core import Strategy, public_url, redact, redact_params, spec_of
from judge_rerank.strategies.options import Option, options_of
from judge_rerank.strategies.registry import STRATEGIES, registered_name


def canonical(thing: object) -> str:
    """The canonical spec string of an object."""
    registered = registered_name(thing)
    if registered is not None:
        return called(registered, _options(thing))
    name = getattr(thing, "name", None)
    if isinstance(thing, Strategy) and isinstance(name, str) and name not in STRATEGIES.names():
        return called(name, _options(thing))
    cls = type(thing)
    return f"<{called(f'{cls.__module__}.{cls.__qualname__}', _options(thing))}>"


def called(name: str, options: Mapping[str, str]) -> str:
    """A name with options that are written out already."""
    inside = ", ".join(f"{option}={text}" for option, text in options.items())
    return f"{name}({inside})" if inside else name


def written(value: object, hint: Any = Any) -> str:
    """A value as it stands in a spec string, for an option of a type."""
    if value is None or isinstance(value, (bool, int, float)):
        # By their plain type: numpy's numbers have a repr of their own.
        plain = float if isinstance(value, float) or (_is_float(hint) and not isinstance(value, bool)) else int
        return repr(value if value is None or isinstance(value, bool) else plain(value))
    if isinstance(value, (str, PathLike)):
        return repr(_public(str(value) if isinstance(value, str) else fspath(cast("PathLike[str]", value))))
    if isinstance(value, Mapping):
        return _mapping(cast("Mapping[Any, object]", value))
    if isinstance(value, (list, tuple)):
        parts = [written(part) for part in cast("list[object]", value)]
        return f"[{', '.join(parts)}]" if isinstance(value, list) else f"({', '.join(parts)}{',' * (len(parts) == 1)})"
    return _object(value)


def _object(value: object) -> str:
    if isinstance(value, Strategy):
        return spec_of(value)
    spec = getattr(value, "spec", None)
    if isinstance(spec, str):
        return spec
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return canonical(value)
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"<{getattr(named, '__module__', '')}.{getattr(named, '__qualname__', '')}>"


def _options(thing: object) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        options = options_of(type(thing))
    except (TypeError, ValueError):  # a class whose parameters cannot be known
        return found
    for option in options:
        value = getattr(thing, option.name, _UNKNOWN)
        if not _is_default(option, value):
            found[option.name] = written(value, option.hint)
    return found


class _Unknown:
    """The value of an option that an object does not keep."""


_UNKNOWN = _Unknown()


def _is_default(option: Option, value: object) -> bool:
    default = option.factory() if option.factory is not None else option.default
    return value is default or (bool(value == default) and isinstance(value, bool) == isinstance(default, bool))


def _mapping(value: Mapping[Any, object]) -> str:
    pairs = [f"{_key(key)}: {written(_without_secret(key, part))}" for key, part in value.items()]
    return f"{{{', '.join(sorted(pairs))}}}"


def _key(key: object) -> str:
    return repr(spec_of(key)) if isinstance(key, Strategy) else written(key)


def _without_secret(name: object, value: object) -> object:
    """A parameter without what must not be written down, such as a header of authorisation."""
    return redact_params({str(name): value})[str(name)] if isinstance(value, str) else value


def _public(text: str) -> str:
    try:
        return redact(public_url(text) if "://" in text else text)
    except ValueError:  # no address after all
        return redact(text)


def _is_float(hint: Any) -> bool:
    return hint is float or float in get_args(hint)


def nested(strategy: Strategy) -> Iterator[Strategy]:
    """A strategy, and all strategies that it runs, as far as they are options of it."""
    yield strategy
    for value in vars(strategy).values() if hasattr(strategy, "__dict__") else ():
        yield from _within(value)


def _within(value: object) -> Iterator[Strategy]:
    if isinstance(value, type):
        return
    if isinstance(value, Strategy):
        yield from nested(value)
    elif isinstance(value, Mapping):
        for key, part in cast("Mapping[object, object]", value).items():
            yield from (*_within(key), *_within(part))
    elif isinstance(value, (list, tuple)):
        for part in cast("Sequence[object]", value):
            yield from _within(part)
