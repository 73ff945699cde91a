"""YAML whose values know the line that they stand on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from judge_rerank.core import DataError
from judge_rerank.readers.lines import reading

Place = tuple[str | int, ...]
"""The way to a value: keys of mappings and positions in lists."""


class Located:
    """A YAML mapping with the lines of its values; the mapping itself is `value`.

    Args:
        path: the file.

    Raises:
        DataError: it cannot be read, is not a YAML mapping, or has a key twice; path and line are in the error.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lines: dict[Place, int] = {}
        with reading(path) as file:
            raw = file.read_bytes()
        try:
            loader = yaml.SafeLoader(raw.decode("utf-8-sig"))
            node = loader.get_single_node()
            if not isinstance(node, yaml.MappingNode):
                raise DataError("This is not a list of 'key: value' lines.", path=path, line=1)
            self._walk(node, ())
            self.value: dict[str, Any] = loader.construct_document(node)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else None
            begun = error.context_mark
            where = f" {error.context}, from line {begun.line + 1} on" if begun and begun.line + 1 != line else ""
            message = f"This is not YAML: {error.problem or error.context}{where}."
            raise DataError(message, path=path, line=line) from None
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(f"This is not YAML: {str(error).splitlines()[0]}.", path=path) from None

    def line(self, place: Sequence[str | int]) -> int:
        """The line of a value, or of what it lies in where it has none of its own."""
        return self._lines[self.known(place)]

    def known(self, place: Sequence[str | int]) -> Place:
        """As much of a place as the file has; what a validator adds to it is left out."""
        found: Place = ()
        for part in place:
            if (*found, part) in self._lines:
                found = (*found, part)
        return found

    def error(self, message: str, place: Sequence[str | int]) -> DataError:
        """An error about a value, with its line."""
        return DataError(message, path=self.path, line=self.line(place))

    def _walk(self, node: yaml.Node, place: Place) -> None:
        self._lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.SequenceNode):
            for position, item in enumerate(node.value):
                self._walk(item, (*place, position))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = str(getattr(key, "value", key))
                line = key.start_mark.line + 1
                if (*place, name) in self._lines:
                    raise DataError(f"{name!r} stands here twice.", path=self.path, line=line)
                self._lines[(*place, name)] = line
                self._walk(value, (*place, name))
