"""Text that PostgreSQL does not take (NUL, lone surrogates), stored in a form that it does, and read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

_MARK = "\x1a"  # what is stored as JSON begins with it, and so does nothing else


def escape_texts(raw: psycopg.Connection[Any]) -> None:
    """Store and read every text of this connection so that it comes back as it was."""
    from psycopg.types.string import StrDumper, TextLoader

    class Dumper(StrDumper):
        def dump(self, obj: str) -> bytes:
            return escaped(obj).encode()

    class Loader(TextLoader):
        def load(self, data: Any) -> str:
            return unescaped(bytes(data).decode())

    raw.adapters.register_dumper(str, Dumper)
    raw.adapters.register_loader("text", Loader)


def escaped(text: str) -> str:
    """The text as it can be stored."""
    if "\0" not in text and not text.startswith(_MARK) and (text.isascii() or is_encodable(text)):
        return text
    return _MARK + json.dumps(text)


def unescaped(stored: str) -> str:
    """The text as it was."""
    return json.loads(stored[1:]) if stored.startswith(_MARK) else stored


def is_encodable(text: str) -> bool:
    """Whether a text can be written as UTF-8: one with lone surrogates cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
