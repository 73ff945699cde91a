"""The file in which a folder keeps its options: `judge-rerank.toml`, or `[tool.judge-rerank]` in pyproject.toml."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, Literal, cast, get_args, get_origin

from judge_rerank.cli.option_groups import configurable
from judge_rerank.cli.options import parameters
from judge_rerank.core import DataError, UnknownName, secrets_in
from judge_rerank.storage import StoreUrl, is_store_url

FILE, PROJECT, TABLE = "judge-rerank.toml", "pyproject.toml", "tool.judge-rerank"

_ENVIRONMENT = {
    "budget": "JUDGE_RERANK_BUDGET_USD",
    "cache_dir": "JUDGE_RERANK_CACHE_DIR",
    "model": "JUDGE_RERANK_MODEL",
    "store": "JUDGE_RERANK_STORE",
    "trace": "JUDGE_RERANK_TRACE",
}
"""Variables that say the same as an option, and come before the file."""

_AMOUNTS = frozenset({"budget"})
"""Options that are text on the command line, and may be a number in the file."""

_SECRET = re.compile(r"(^|[-_])(key|token|secret|password)$|apikey", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """What a file sets.

    Attributes:
        path: the file; None where there is none.
        values: by the name of the option as Python has it (`cache_dir`), what it is set to.
    """

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def says(self, option: str) -> bool:
        """Whether it sets an option that no variable of the environment sets."""
        return option in self.values and not os.environ.get(_ENVIRONMENT.get(option, ""), "").strip()


def config() -> Config:
    """The file that counts in the working folder: the nearest, there or in a folder above it.

    Raises:
        UnknownName: a key is no option; the nearest are suggested.
        DataError: the file cannot be read, or a value is of another type. Both name file and line.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        for name in (FILE, PROJECT):
            path = folder / name
            if path.is_file() and (found := _read(path, path.stat().st_mtime_ns)) is not None:
                return found
    return Config()


@cache
def _read(path: Path, changed: int) -> Config | None:
    """A file's options; None for a pyproject.toml that has none."""
    del changed
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"The file cannot be read: {error.strerror}.", path=path) from None
    except UnicodeDecodeError:
        raise DataError("The file is not UTF-8, which TOML requires.", path=path) from None
    if path.name == PROJECT and TABLE.partition(".")[2] not in text:
        return None
    try:
        whole = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"This is not TOML: {error}.", path=path) from None
    table = whole if path.name == FILE else whole.get("tool", {}).get("judge-rerank")
    return None if table is None else _Reader(path, text).config(table)


class _Reader:
    """Checks what a file sets."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._lines = path, text.splitlines()

    def config(self, table: Any) -> Config:
        if not isinstance(table, dict):
            raise self._error("", f"[{TABLE}] must be a table of options.")
        values: dict[str, Any] = {}
        known = _hints()
        for key, value in cast("dict[str, Any]", table).items():
            if _SECRET.search(key):
                raise self._secret(key)
            if key not in known:
                raise self._unknown(key, known)
            values[key.replace("-", "_")] = self._checked(key, value, known[key])
        return Config(path=self._path, values=values)

    def _checked(self, key: str, value: Any, hint: Any) -> Any:
        kinds = [
            kind for kind in (get_args(hint) if get_origin(hint) is not Literal else [hint]) if kind is not NoneType
        ]
        kind = kinds[0] if kinds else hint
        if get_origin(kind) is list:
            if not isinstance(value, list) or not all(isinstance(each, str) for each in cast("list[Any]", value)):
                raise self._error(key, f'{key} must be a list of text, such as {key} = ["reasoning_effort=low"].')
            if key == "param" and secrets_in(parameters(cast("list[str]", value))):
                raise self._secret(key)
            return cast("list[str]", value)
        if get_origin(kind) is Literal:
            words = get_args(kind)
            if value not in words:
                raise self._error(key, f"{key} is {value!r}; expected {', '.join(map(repr, words))}.")
            return value
        if kind is int and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise self._error(key, f"{key} is {value!r}; expected a whole number from 1.")
        if kind is bool and not isinstance(value, bool):
            raise self._error(key, f"{key} is {value!r}; expected true or false.")
        if kind in (str, Path):
            return self._text(key, value, kind)
        return value

    def _text(self, key: str, value: Any, kind: type) -> str | Path:
        if key == "store" and isinstance(value, bool):
            return "on" if value else "off"
        if key in _AMOUNTS and isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str) or not value.strip():
            raise self._error(key, f'{key} is {value!r}; expected text, such as {key} = "...".')
        if kind is Path:  # as seen from the file, wherever the command is run
            return self._path.parent / Path(value).expanduser()
        if key == "api-base" and secrets_in({}, value):
            raise self._secret(key)
        if key == "store" and is_store_url(value) and StoreUrl.of(value, key).has_password:
            raise self._error(
                key,
                "store would keep a password in a file that others may read. Take it out, and set PGPASSWORD or "
                "JUDGE_RERANK_STORE where the command is run.",
            )
        if key == "prompt" and value.endswith(".j2"):
            return str(self._path.parent / Path(value).expanduser())
        return value

    def _line(self, key: str) -> int | None:
        """Where a key is set, which the TOML reader of Python does not tell."""
        mark = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]") if key else re.compile(re.escape(f"[{TABLE}]"))
        inside = self._path.name == FILE or not key
        for number, line in enumerate(self._lines, start=1):
            if inside and mark.match(line):
                return number
            if line.lstrip().startswith("[") and self._path.name != FILE and key:
                inside = line.strip().startswith(f"[{TABLE}")
        return None

    def _error(self, key: str, message: str) -> DataError:
        return DataError(message, path=self._path, line=self._line(key))

    def _secret(self, key: str) -> DataError:
        return self._error(
            key,
            f"{key} would keep a secret in a file that others may read. Take it out, and set the environment variable "
            "of the provider, such as OPENAI_API_KEY, where the command is run.",
        )

    def _unknown(self, key: str, known: Mapping[str, Any]) -> UnknownName:
        line = self._line(key)
        where = str(self._path) if line is None else f"{self._path}:{line}"
        return UnknownName(f"option in {where}", key, known)


@cache
def _hints() -> Mapping[str, Any]:
    """By the name of the option (`cache-dir`), the type of what it is set to."""
    return {name.replace("_", "-"): get_args(hint)[0] for name, hint in configurable().items()}
