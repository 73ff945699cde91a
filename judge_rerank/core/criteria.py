"""What documents are judged by beside the query: an instruction, and criteria with weights."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from judge_rerank.core.errors import InputError

MOST_CRITERIA = 10
"""More than this many numbers about a document are judged carelessly, and make a long reply."""

_NAME = re.compile(r"[^\W_](?:[\w -]{0,38}\w)?")
# Keys that a reply has beside the criteria.
_TAKEN = frozenset({"id", "document", "doc", "reason", "explanation", "rationale", "judgments"})
_EXAMPLE = "{'relevance': 0.7, 'recency': 0.3}"
_LONGEST_INSTRUCTION = 4_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Criterion:
    """One of the criteria that a document is judged by.

    Attributes:
        weight: its share of the score is this, divided by the sum of all weights.
        description: what it means, for the judge; "" where its name says enough.
        name: set by the key that it stands under.
    """

    weight: float
    description: str = ""
    name: str = ""


CriteriaLike: TypeAlias = str | Mapping[str, float | Criterion | Mapping[str, Any]] | Sequence[Criterion]
"""Criteria as callers may give them: a mapping of names to weights or `Criterion`s, or "relevance:0.7,recency:0.3"."""


def as_criteria(given: CriteriaLike) -> tuple[Criterion, ...]:
    """The criteria, checked, in the order given.

    Args:
        given: by name a weight or a `Criterion`; or text, "relevance:0.7,recency:0.3" or a JSON object. Nothing
            ("" or an empty mapping) for none.

    Raises:
        InputError: a name is empty, twice there or none that a reply can have; a weight is negative or not finite, or
            their sum is 0; there are more than ten.
    """
    pairs = _pairs(given)
    found = tuple(_criterion(name, value) for name, value in pairs)
    names = [each.name.casefold() for each in found]
    if twice := next((each.name for place, each in enumerate(found) if names[place] in names[:place]), None):
        raise InputError(f"The criterion {twice!r} appears twice in criteria; give each its own name.")
    if len(found) > MOST_CRITERIA:
        raise InputError(f"criteria has {len(found)} criteria; at most {MOST_CRITERIA} are judged at once.")
    if found and math.fsum(each.weight for each in found) <= 0:
        raise InputError(f"The weights of criteria sum to nothing; one must be above 0: {_EXAMPLE}.")
    return found


def criteria_text(criteria: Sequence[Criterion]) -> str:
    """The criteria as text that `as_criteria` reads: "relevance:0.7,recency:0.3", or JSON where one is described."""
    if any(each.description for each in criteria):
        return json.dumps({each.name: _written(each) for each in criteria}, ensure_ascii=False)
    return ",".join(f"{each.name}:{repr(each.weight).removesuffix('.0')}" for each in criteria)


def weighed(criteria: Sequence[Criterion], values: Mapping[str, float]) -> float:
    """The score in [0, 1] of a document that has these values by criterion, each in [0, 1]."""
    total = math.fsum(each.weight for each in criteria)
    return min(1.0, math.fsum(each.weight * values[each.name] for each in criteria) / total)


def weighing_sentence(criteria: Sequence[Criterion]) -> str:
    """The criteria as a sentence for a judge that compares documents; "" for none."""
    if not criteria:
        return ""
    total = math.fsum(each.weight for each in criteria)
    parts = [
        f"{each.name} {each.weight / total:.0%}{f' ({each.description})' if each.description else ''}"
        for each in criteria
    ]
    listed = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
    return f"Weigh by these criteria: {listed}."


def told(instruction: str | None, criteria: Sequence[Criterion]) -> str:
    """What a judge is told to heed, with the criteria as a sentence; "" for nothing."""
    return "\n".join(filter(None, (instruction, weighing_sentence(criteria))))


def as_instruction(given: object) -> str:
    """An instruction, without white space around it; "" for none.

    Raises:
        InputError: it is no text, only white space, or too long.
    """
    if not isinstance(given, str):
        raise InputError(f"instruction is {type(given).__name__}; expected text: 'prefer primary sources'.")
    text = given.strip()
    if given and not text:
        raise InputError("instruction is only white space; give a sentence, or '' for none.")
    if len(text) > _LONGEST_INSTRUCTION:
        raise InputError(f"instruction has {len(text):,} characters; at most {_LONGEST_INSTRUCTION:,} are sent.")
    return text


def _pairs(given: CriteriaLike) -> Sequence[tuple[object, object]]:
    if isinstance(given, str):
        return _read(given)
    if isinstance(given, Mapping):
        return list(given.items())
    if isinstance(given, Iterable) and all(isinstance(each, Criterion) for each in given):  # pyright: ignore[reportUnnecessaryIsInstance]
        return [(each.name, each) for each in given]
    raise InputError(f"criteria is {type(given).__name__}; expected names with weights: {_EXAMPLE}.")


def _read(text: str) -> Sequence[tuple[object, object]]:
    """`relevance:0.7,recency=0.3`, or a JSON object, whose keys may not be there twice."""
    if text.lstrip().startswith("{"):
        try:
            # As pairs, so that a name which is there twice is seen.
            found: _Pairs = json.loads(text, object_pairs_hook=_as_pairs)
        except ValueError as error:
            raise InputError(f"criteria cannot be read as JSON: {error}.") from None
        return [(name, dict(value.items) if isinstance(value, _Pairs) else value) for name, value in found.items]
    pairs: list[tuple[object, object]] = []
    for part in filter(str.strip, text.split(",")):
        name, sign, weight = part.replace("=", ":").partition(":")
        try:
            pairs.append((name.strip(), float(weight)))
        except ValueError:
            missing = "no weight" if not sign else f"the weight {weight.strip()!r}, which is no number"
            raise InputError(f"In criteria, {name.strip()!r} has {missing}: relevance:0.7,recency:0.3.") from None
    return pairs


@dataclass(frozen=True, slots=True)
class _Pairs:
    """A JSON object within the object of criteria."""

    items: list[tuple[str, object]]


def _as_pairs(pairs: list[tuple[str, object]]) -> _Pairs:
    return _Pairs(pairs)


def _criterion(name: object, value: object) -> Criterion:
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"A criterion in criteria has no name; expected names with weights: {_EXAMPLE}.")
    name = name.strip()
    if not _NAME.fullmatch(name):
        raise InputError(
            f"The criterion {name!r} is not a name; expected up to 40 letters, digits, spaces, dashes: 'recency'."
        )
    if name.casefold() in _TAKEN:
        raise InputError(f"A criterion cannot be called {name!r}, which is a part of every reply; choose another name.")
    weight, description = _parts(name, value)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        raise InputError(f"The weight of the criterion {name!r} is {weight!r}; expected a number.")
    if not math.isfinite(weight) or weight < 0:
        raise InputError(f"The weight of the criterion {name!r} is {weight!r}; it must be a number from 0.")
    if not isinstance(description, str):
        raise InputError(f"The description of the criterion {name!r} is {type(description).__name__}; expected text.")
    return Criterion(name=name, weight=float(weight), description=" ".join(description.split()))


def _parts(name: str, value: object) -> tuple[object, object]:
    """The weight and the description."""
    if isinstance(value, Criterion):
        return value.weight, value.description
    if not isinstance(value, Mapping):
        return value, ""
    known = cast("Mapping[str, object]", value)
    if other := next((key for key in known if key not in ("weight", "description")), None):
        raise InputError(f"The criterion {name!r} has a {other!r}; it has a weight and may have a description.")
    if "weight" not in known:
        raise InputError(f"The criterion {name!r} has no weight.")
    return known["weight"], known.get("description", "")


def _written(criterion: Criterion) -> float | dict[str, object]:
    if not criterion.description:
        return criterion.weight
    return {"weight": criterion.weight, "description": criterion.description}
