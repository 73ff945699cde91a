"""Metadata that is shown to the judge: which fields, and how their values read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, TypeAlias, cast
from uuid import UUID

from judge_rerank.core.document_input import is_missing
from judge_rerank.core.documents import Document, ShownFields
from judge_rerank.core.errors import InputError

FieldsLike: TypeAlias = str | Sequence[str]
"""Names of metadata: a list, or text with commas."""

_LISTED = 20


def as_fields(given: FieldsLike) -> tuple[str, ...]:
    """The names, in the order given, each once; nothing for none.

    Raises:
        InputError: they are no names.
    """
    if not isinstance(given, str) and (not isinstance(given, Iterable) or isinstance(given, (bytes, Mapping))):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"fields is {type(given).__name__}; expected names of metadata: ['date', 'source'].")
    names = [name.strip() for name in given.split(",")] if isinstance(given, str) else list(given)
    if isinstance(given, str) and not given.strip():
        return ()
    for name in names:
        if not isinstance(name, str) or not name.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"fields has {name!r}; expected names of metadata: ['date', 'source'].")
        if name in ("title", "text"):
            raise InputError(f"fields has {name!r}, which is always shown; it is for metadata.")
    return tuple(dict.fromkeys(names))


def shown_fields(documents: Sequence[Document], names: Sequence[str]) -> list[ShownFields]:
    """By document, the fields that it has, with their values as text.

    Raises:
        InputError: no document has one of the fields, or a value is a mapping or another thing that is no text.
    """
    if not names:
        return [()] * len(documents)
    for name in names:
        if documents and not any(name in document.metadata for document in documents):
            known = dict.fromkeys(str(key) for document in documents for key in document.metadata)
            listed = ", ".join(list(known)[:_LISTED]) or "none"
            raise InputError(f"No document has the field {name!r} in its metadata. The fields are: {listed}.")
    return [
        tuple(
            (name, text)
            for name in names
            if (text := _text(document.metadata.get(name), f"docs[{place}].metadata[{name!r}]"))
        )
        for place, document in enumerate(documents)
    ]


def _text(value: object, where: str) -> str:
    """A value on one line; "" for none."""
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [_plain(item, where) for item in cast("Iterable[object]", value)]
        return ", ".join(filter(None, sorted(items) if isinstance(value, (set, frozenset)) else items))
    return _plain(value, where)


def _plain(value: object, where: str) -> str:
    if is_missing(value) or isinstance(value, str):
        return " ".join(value.split()) if isinstance(value, str) else ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (Decimal, UUID, Integral, Real)):
        return str(value)
    item: Any = getattr(value, "item", None)  # numpy's numbers and dates
    if callable(item) and not isinstance(inner := item(), type(value)):
        return _plain(inner, where)
    raise InputError(
        f"{where} is {type(value).__name__}; a field that is shown is text, a number, a date or a list of these."
    )
