"""The options of a class in a spec string: the fields of a dataclass, or the parameters of `__init__`."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast, get_type_hints

MISSING: Any = dataclasses.MISSING


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One option of a class.

    Attributes:
        name: as in a spec string.
        hint: the type that was declared for it; Any where it cannot be known.
        default: the value that it has if it is not given; MISSING where it has to be given, or is made anew.
        factory: makes that value, where it is made anew; None elsewhere.
        positional: whether it may be given without its name.
    """

    name: str
    hint: Any
    default: Any = MISSING
    factory: Callable[[], Any] | None = None
    positional: bool

    @property
    def required(self) -> bool:
        """Whether it has to be given."""
        return self.default is MISSING and self.factory is None


@lru_cache(maxsize=512)
def options_of(cls: Callable[..., object]) -> tuple[Option, ...]:
    """The options of a class, in the order declared.

    A field of a dataclass that stands in no repr (`field(repr=False)`), such as a key, stands in no spec string either.
    """
    parameters = inspect.signature(cls).parameters
    if dataclasses.is_dataclass(cls):
        hints = _hints(cls)
        shown = [f for f in dataclasses.fields(cls) if f.init and f.repr]
        return tuple(
            Option(
                name=f.name,
                hint=hints.get(f.name, Any),
                default=f.default,
                factory=None if f.default_factory is MISSING else cast("Callable[[], Any]", f.default_factory),
                positional=not f.kw_only,
            )
            for f in shown
        )
    hints = _hints(cls.__init__ if isinstance(cls, type) else cls)
    return tuple(
        Option(
            name=name,
            hint=hints.get(name, Any),
            default=MISSING if p.default is p.empty else p.default,
            positional=p.kind is p.POSITIONAL_OR_KEYWORD,
        )
        for name, p in parameters.items()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    )


def _hints(owner: Any) -> dict[str, Any]:
    """The declared types, whether they were written down as such or as text; without those that have no meaning here,
    such as names that are imported for type checkers alone."""
    try:
        return get_type_hints(owner)
    except Exception:
        found: dict[str, Any] = {}
        for part in reversed(owner.__mro__) if isinstance(owner, type) else [owner]:
            names = vars(sys.modules.get(part.__module__, sys))
            for name, hint in inspect.get_annotations(part).items():
                try:
                    found[name] = eval(hint, names) if isinstance(hint, str) else hint  # noqa: S307  as get_type_hints
                except Exception:
                    found[name] = Any
        return found
