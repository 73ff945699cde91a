"""What the head of a GGUF file says about the model inside, read without loading the model."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge_rerank.core import ModelUnavailable

_MAGIC = b"GGUF"
_OLDEST_VERSION = 2
_STRING, _ARRAY = 8, 9
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_CONTROL, _USER_DEFINED = 3, 4
"""Kinds of tokens. User-defined ones can be plain text, such as runs of spaces, or be written like control tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """What is known of a model before it is loaded.

    Attributes:
        context_tokens: the longest text it was trained on; None where the file does not say.
        control_tokens: texts that the tokenizer reads as control tokens, which no document may contain.
    """

    context_tokens: int | None
    control_tokens: tuple[str, ...]


def read_head(path: Path) -> Head:
    """Read the head of a GGUF file.

    Raises:
        ModelUnavailable: there is no such file, it cannot be read, or it is not GGUF.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise ModelUnavailable(f"{path} is not a GGUF file, which the local judge needs.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _head(_Reader(content))
    except OSError as error:
        raise ModelUnavailable(f"The model file {path} cannot be read: {error.strerror or error}.") from error
    except (struct.error, ValueError, KeyError, IndexError, OverflowError) as error:
        raise ModelUnavailable(
            f"{path} is damaged or incomplete: its header cannot be read. Download it again."
        ) from error


class _Reader:
    """A cursor over the head's values, which are little-endian and follow each other without gaps."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._at = 0

    def number(self, code: str) -> Any:
        layout = f"<{code}"
        (value,) = struct.unpack_from(layout, self._content, self._at)
        self._at += struct.calcsize(layout)
        return value

    def text(self) -> str:
        length: int = self.number("Q")
        end = self._at + length
        if end > len(self._content):
            raise ValueError("a text runs past the end of the file")
        raw = self._content[self._at : end]
        self._at = end
        return raw.decode(errors="replace")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY:
            return self.number(_NUMBERS[kind])
        kind, length = self.number("I"), self.number("Q")
        if kind in {_STRING, _ARRAY}:
            return [self.value(kind) for _ in range(length)]
        layout = f"<{length}{_NUMBERS[kind]}"
        values = struct.unpack_from(layout, self._content, self._at)
        self._at += struct.calcsize(layout)
        return values

    def entries(self) -> Iterator[tuple[str, Any]]:
        self._at = len(_MAGIC)
        if self.number("I") < _OLDEST_VERSION:
            raise ValueError("the format is older than version 2")
        self.number("Q")  # how many tensors there are
        for _ in range(self.number("Q")):
            name = self.text()
            yield name, self.value(self.number("I"))


def _head(reader: _Reader) -> Head:
    context: int | None = None
    tokens: list[str] = []
    kinds: tuple[int, ...] = ()
    for name, value in reader.entries():
        if name.endswith(".context_length"):
            context = int(value)
        elif name == "tokenizer.ggml.tokens":
            tokens = value
        elif name == "tokenizer.ggml.token_type":
            kinds = value
        if context and tokens and kinds:  # what follows is not needed
            break
    control = (token for token, kind in zip(tokens, kinds, strict=False) if _steers(token, kind))
    return Head(context_tokens=context, control_tokens=tuple(control))


def _steers(token: str, kind: int) -> bool:
    """Whether the token, met in a text, could end a turn or begin one."""
    looks = len(token) > 2 and token[0] in "<[" and token[-1] in ">]"
    return kind == _CONTROL or (kind == _USER_DEFINED and looks)
