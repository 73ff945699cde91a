"""Reads a template file: what its front matter says, and its parts, each with the line at which it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, NoReturn, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from judge_rerank.core import PromptError
from judge_rerank.readers import NotYaml, parse_yaml

_FENCE = "---"
_MARKERS = ("system:", "user:", "state:", "question:")
_MOST_BYTES = 64 * 1024

_Scalar = str | int | float | bool
_Value = _Scalar | list[_Scalar] | list[dict[str, _Scalar]]

_EXPECTED: Mapping[str, str] = {
    "task": "the name of a task",
    "name": "a word, such as 'rubric', or two with a slash, such as 'mine/rubric'",
    "description": "one line of text",
    "version": "a whole number, or text in quotes",
    "output_tokens": "a whole number from 1 to 100000",
    "levels": "a list of 2 to 10 texts, from the least relevant to the most",
    "examples": "a list of mappings, whose values are texts, numbers, or lists of these",
}


class Front(BaseModel):
    """The front matter of a template."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    task: str
    name: Annotated[str, Field(pattern=r"^\w[\w.-]*(/\w[\w.-]*)?$")]
    description: Annotated[str, Field(pattern=r"^[^\n]*\S[^\n]*\n?$")]
    version: int | str
    output_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = None
    levels: Annotated[list[Annotated[str, Field(pattern=r"\S")]], Field(min_length=2, max_length=10)] = []
    examples: list[dict[str, _Value]] = []


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of a template, and the line of the file at which its text starts."""

    text: str
    first_line: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Parsed:
    """A template file, taken apart.

    Attributes:
        front: its front matter.
        lines: the line of each key of the front matter.
        parts: "user", and "system" if it is there; for decision models "state" and "question".
    """

    front: Front
    lines: Mapping[str, int]
    parts: Mapping[str, Section]


def read(path: Path) -> str:
    """The text of a template file, the same whatever its line ends and byte order mark.

    Raises:
        PromptError: it cannot be read, is too large, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        msg = f"The template cannot be read: {(error.strerror or str(error)).lower()}."
        raise PromptError(msg, path=path) from None
    if len(raw) > _MOST_BYTES:
        msg = f"A template may have at most {_MOST_BYTES // 1024} KB."
        raise PromptError(msg, path=path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = "The template is not UTF-8 text. Save it as UTF-8."
        raise PromptError(msg, path=path, line=1 + raw.count(b"\n", 0, error.start)) from None
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip() + "\n"


def parse(source: str, *, path: Path, tasks: Sequence[str]) -> Parsed:
    """Take a template apart.

    Args:
        source: its text.
        path: the file it comes from, for messages.
        tasks: the tasks there are.

    Raises:
        PromptError: front matter or parts that are missing, unknown, doubled or of the wrong kind, with their line.
    """
    lines = source.split("\n")
    fences = [place for place, line in enumerate(lines) if line.rstrip() == _FENCE]
    if not fences or fences[0] != 0:
        msg = "A template starts with '---', its task, name, description and version, and '---' again."
        raise PromptError(msg, path=path, line=1)
    if len(fences) == 1:
        msg = "The front matter has no end: a second line '---' is missing."
        raise PromptError(msg, path=path, line=1)
    values, places = _mapping("\n".join(lines[1 : fences[1]]), path)
    front = _front(values, places, path=path, tasks=tasks)
    return Parsed(front=front, lines=places, parts=_parts(lines, fences[1] + 1, path))


def _parts(lines: Sequence[str], start: int, path: Path) -> dict[str, Section]:
    markers = [place for place in range(start, len(lines)) if lines[place].rstrip() in _MARKERS]
    for place in range(start, markers[0] if markers else len(lines)):
        if lines[place].strip():
            msg = "Text before the first part. A part starts after its name, such as 'user:', alone on a line."
            raise PromptError(msg, path=path, line=place + 1)
    parts: dict[str, Section] = {}
    for place, end in zip(markers, [*markers[1:], len(lines)], strict=True):
        name = lines[place].rstrip().removesuffix(":")
        if name in parts:
            msg = f"A second '{name}:' part; a template has one."
            raise PromptError(msg, path=path, line=place + 1)
        parts[name] = Section(text="\n".join(lines[place + 1 : end]), first_line=place + 2)
    _check_parts(parts, path, start)
    return parts


def _check_parts(parts: Mapping[str, Section], path: Path, start: int) -> None:
    decision = parts.keys() & {"state", "question"}
    if not decision and "user" not in parts:
        msg = "There is no 'user:' part: the word, alone on a line, and the text of the message after it."
        raise PromptError(msg, path=path, line=start)
    if decision and len(decision) < 2:
        missing = "question" if "state" in parts else "state"
        msg = f"There is no '{missing}:' part. A prompt for decision models has a 'state:' and a 'question:' part."
        raise PromptError(msg, path=path, line=start)
    for name in ("system", "user"):
        if decision and name in parts:
            msg = f"A '{name}:' part beside 'state:'. Prompts for decision models have no messages; use another file."
            raise PromptError(msg, path=path, line=parts[name].first_line - 1)


def _mapping(text: str, path: Path) -> tuple[dict[Any, Any], dict[str, int]]:
    """The YAML mapping, and the line of the file at which each of its keys stands."""
    try:
        tree = parse_yaml(text, first_line=2, aliases=False)
    except NotYaml as error:
        raise PromptError(f"The front matter: {error.message}", path=path, line=error.line or 1) from None
    if not isinstance(tree.value, dict):
        msg = "The front matter is not a list of 'key: value' lines."
        raise PromptError(msg, path=path, line=2)
    places = {str(place[0]): line for place, line in tree.lines.items() if len(place) == 1}
    return cast("dict[Any, Any]", tree.value), places


def _front(values: dict[Any, Any], places: Mapping[str, int], *, path: Path, tasks: Sequence[str]) -> Front:
    try:
        front = Front.model_validate(values)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False, include_input=False)[0]
        _reject(str(error["loc"][0]) if error["loc"] else "", error["type"], places, path)
    if front.task not in tasks:
        msg = f"There is no task {front.task!r}. There are: {', '.join(tasks)}."
        raise PromptError(msg, path=path, line=places["task"])
    return front


def _reject(key: str, kind: str, places: Mapping[str, int], path: Path) -> NoReturn:
    if kind == "missing":
        msg = f"The front matter lacks {key!r}: {_EXPECTED[key]}."
    elif key in _EXPECTED:
        msg = f"{key!r} must be {_EXPECTED[key]}."
    else:
        near = get_close_matches(key, _EXPECTED, n=1)
        advice = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(_EXPECTED)}."
        msg = f"Unknown key {key!r} in the front matter. {advice}"
    raise PromptError(msg, path=path, line=places.get(key, 1))
