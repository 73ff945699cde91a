"""Values checked against a pydantic model; those of a YAML file with errors that name the line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

from judge_rerank.core import InputError
from judge_rerank.readers.yaml_source import Located

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound="BaseModel")

_BRANCH = re.compile(r"[A-Z]\w+|float|str|int|bool|\w+[\[(-].*")
"""What pydantic puts into the place of an error to name the branch of a union or a validator."""


def read_yaml(path: Path | str, model: type[Model]) -> tuple[Model, Located]:
    """What a YAML file says, as an object of a model; and the file, for errors that are found later.

    Raises:
        DataError: anything that is wrong with it, with the line.
    """
    from pydantic import ValidationError

    located = Located(path)
    try:
        return model.model_validate(located.mapping()), located
    except ValidationError as invalid:
        place, message = first_problem(invalid, model)
        raise located.error(message, place) from None


def checked(values: Mapping[str, Any], model: type[Model]) -> Model:
    """The same of values that came from elsewhere.

    Raises:
        InputError: anything that is wrong with them.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(values)
    except ValidationError as invalid:
        raise InputError(first_problem(invalid, model)[1]) from None


def first_problem(invalid: ValidationError, model: type[BaseModel]) -> tuple[tuple[str | int, ...], str]:
    """The first thing that is wrong, for people: where, and what."""
    errors = invalid.errors(include_url=False, include_input=False)
    # A key with a typo is missing as well; and of the branches of a union that all fail, the one that got furthest says
    # most.
    error = max(
        errors, key=lambda each: (each["type"] == "extra_forbidden", each["type"] == "value_error", len(each["loc"]))
    )
    loc = error["loc"]
    place = tuple(part for n, part in enumerate(loc) if n == 0 or isinstance(part, int) or not _BRANCH.fullmatch(part))
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = list(_owner(model, place).model_fields)
        near = get_close_matches(str(place[-1]), known, n=1)
        advice = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(known)}."
        return place, f"Unknown key {str(place[-1])!r}. {advice}"
    if error["type"] == "missing":
        return place[:-1], f"{str(place[-1])!r} is missing."
    if error["type"] == "value_error":
        return place, message
    return place, f"{'.'.join(map(str, place))}: {message}."


def _owner(model: type[BaseModel], place: tuple[str | int, ...]) -> type[BaseModel]:
    """The model that the last key of a place stands in."""
    hint: Any = model
    for part in place[:-1]:
        found = _model_in(hint)
        hint = found.model_fields[str(part)].annotation if found and str(part) in found.model_fields else hint
    return _model_in(hint) or model


def _model_in(hint: Any) -> type[BaseModel] | None:
    """The model that a type is, or holds as its values or as one of its branches."""
    if hasattr(hint, "model_fields"):
        return cast("type[BaseModel]", hint)
    return next((found for part in get_args(hint) if (found := _model_in(part))), None)
