"""YAML with bounds, whose values know the line that they stand on: the one place where YAML is read.

A few hundred bytes of aliases stand for gigabytes, and of brackets for a stack without end. So what is read is bounded
before anything is made of it: `MOST_BYTES` of text, `MOST_NODES` values with every alias and merge key written out,
`DEEPEST` levels. What is beyond them is an error within a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from judge_rerank.core import DataError
from judge_rerank.readers.lines import reading

MOST_BYTES = 256 * 1024
MOST_NODES = 10_000
DEEPEST = 32
_LONGEST_NUMBER = 100
_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})

Place = tuple[str | int, ...]
"""The way to a value: keys of mappings and positions in lists."""


class NotYaml(Exception):
    """A text is not YAML, or more than is read of it; `line` is where, from 1, or None."""

    def __init__(self, message: str, line: int | None = None) -> None:
        self.message, self.line = message, line
        super().__init__(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class YamlTree:
    """What a YAML text says.

    Attributes:
        value: the whole, of the types of YAML; None for an empty text.
        lines: by place, the line that a value begins on; of what stands in a mapping, the line of its key.
    """

    value: Any
    lines: dict[Place, int]

    def line(self, place: Sequence[str | int]) -> int | None:
        """The line of a value, or of what it lies in where it has none of its own."""
        return self.lines.get(self.known(place))

    def known(self, place: Sequence[str | int]) -> Place:
        """As much of a place as the text has; what a validator adds to it is left out."""
        found: Place = ()
        for part in place:
            if (*found, part) in self.lines:
                found = (*found, part)
        return found


class Located:
    """A YAML file with the lines of its values; what it says is `value`.

    Args:
        path: the file.

    Raises:
        DataError: it cannot be read, is not YAML or larger than is read, or has a key twice; path and line are in the
            error.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser()
        with reading(self.path) as found, found.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        try:
            self._tree = parse_yaml(raw)
        except NotYaml as error:
            raise DataError(error.message, path=self.path, line=error.line) from None
        self.value: Any = self._tree.value

    def mapping(self) -> dict[str, Any]:
        """The value, which has to be a mapping.

        Raises:
            DataError: it is something else.
        """
        if not isinstance(self.value, dict):
            raise DataError("This is not a list of 'key: value' lines.", path=self.path, line=1)
        return cast("dict[str, Any]", self.value)

    def line(self, place: Sequence[str | int]) -> int | None:
        """The line of a value, or of what it lies in where it has none of its own."""
        return self._tree.line(place)

    def error(self, message: str, place: Sequence[str | int]) -> DataError:
        """An error about a value, with its line."""
        return DataError(message, path=self.path, line=self.line(place))


def parse_yaml(source: bytes | str, *, first_line: int = 1, aliases: bool = True) -> YamlTree:
    """Read a YAML text, within the bounds of this module.

    Args:
        source: the text; bytes are UTF-8.
        first_line: the line of the file at which it begins.
        aliases: whether a part of it may refer to an earlier one.

    Raises:
        NotYaml: it cannot be read, is beyond a bound, or has a key twice.
    """
    text = ""
    if len(source) > MOST_BYTES:
        raise NotYaml(f"This is larger than {MOST_BYTES // 1024} KB, the limit for YAML.")
    try:
        text = source if isinstance(source, str) else source.decode("utf-8-sig")
        loader = _Bounded(text, aliases=aliases)
        node = loader.get_single_node()
        if node is None:
            return YamlTree(value=None, lines={})
        lines: dict[Place, int] = {}
        _walk(node, (), lines)
        value = cast("Any", loader).construct_document(node)
    except NotYaml as error:
        raise NotYaml(error.message, error.line and error.line + first_line - 1) from None
    except yaml.MarkedYAMLError as error:
        mark, begun = error.problem_mark or error.context_mark, error.context_mark
        line = mark.line + first_line if mark else None
        since = begun.line + first_line if begun else line
        where = f" {error.context}, from line {since} on" if since != line else ""
        raise NotYaml(f"This is not YAML: {error.problem or error.context}{where}.", line) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + first_line
        raise NotYaml("This is not UTF-8 text. Save it as UTF-8.", line) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + first_line
        raise NotYaml(f"This is not YAML: the character #x{error.character:04x} is not allowed in it.", line) from None
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, AttributeError) as error:
        raise NotYaml(f"This is not YAML: {(str(error) or type(error).__name__).splitlines()[0]}.", None) from None
    return YamlTree(value=value, lines={place: line + first_line - 1 for place, line in lines.items()})


class _Bounded(yaml.SafeLoader):
    """Counts the values of a document while it is put together, an alias as all that it stands for."""

    def __init__(self, text: str, *, aliases: bool) -> None:
        self._aliases = aliases
        self._depth = self._nodes = 0
        self._sizes: dict[int, int] = {}
        super().__init__(text)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = cast("yaml.Event", self.peek_event())
        line = event.start_mark.line + 1
        if self._depth >= DEEPEST:
            raise NotYaml(f"This is nested too deeply: over {DEEPEST} levels.", line)
        before = self._nodes
        self._nodes += self._size_of(event, line) if isinstance(event, yaml.AliasEvent) else 1
        if self._nodes > MOST_NODES:
            raise NotYaml(f"This has more than {MOST_NODES:,} values, with what aliases stand for.", line)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None:
            self._sizes.setdefault(id(node), self._nodes - before)
            if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
                raise NotYaml(f"This is not YAML: a number of {len(node.value):,} digits.", line)
        return node

    def _size_of(self, alias: yaml.AliasEvent, line: int) -> int:
        if not self._aliases:
            raise NotYaml("This refers to an earlier part of itself (*name). Write it out.", line)
        node = self.anchors.get(alias.anchor)
        if node is not None and id(node) not in self._sizes:
            raise NotYaml(f"*{alias.anchor} refers to the value that contains it.", line)
        return self._sizes.get(id(node), 1)


def _walk(node: yaml.Node, place: Place, lines: dict[Place, int]) -> None:
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            _walk(item, (*place, position), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise NotYaml("A key is a list or a mapping; expected a text.", line)
            within = (*place, str(key.value))
            if within in lines:
                raise NotYaml(f"{key.value!r} stands here twice.", line)
            lines[within] = line
            _walk(value, within, lines)
