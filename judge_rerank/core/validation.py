"""Whether an option can be used, said in one way everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real

from judge_rerank.core.errors import InputError


def require(
    name: str, value: float | None, *, at_least: float, at_most: float | None = None, whole: bool = True
) -> None:
    """Check an option that has to be a number in a range, a whole one or any; None is always in it.

    Raises:
        InputError: it is not.
    """
    if value is None:
        return
    check_number(name, value, whole=whole)
    if not (at_least <= value and (at_most is None or value <= at_most)):
        limits = f"from {at_least} to {at_most}" if at_most is not None else f"at least {at_least}"
        msg = f"{name} is {value}; it must be {limits}."
        raise InputError(msg)


def require_above_zero(name: str, value: float | None, *, whole: bool = False) -> None:
    """Check an option that has to be a number greater than 0, a whole one or any; None is one that was not given.

    Raises:
        InputError: it is not.
    """
    if value is None:
        return
    check_number(name, value, whole=whole)
    if not value > 0:
        msg = f"{name} is {value}; it must be greater than 0."
        raise InputError(msg)


def require_one_of(name: str, value: str, known: Sequence[str]) -> None:
    """Check an option that has to be one of a few words.

    Raises:
        InputError: it is none of them.
    """
    if value not in known:
        msg = f"{name} is {value!r}; it must be one of {', '.join(known)}."
        raise InputError(msg)


def check_number(name: str, value: object, *, whole: bool = False) -> None:
    """That a value is a number, and a whole one if it has to be.

    Raises:
        InputError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, Integral if whole else Real):
        msg = f"{name} is {value!r}; expected a {'whole ' if whole else ''}number."
        raise InputError(msg)
