"""Queries and documents, checked, of what callers pass: texts, mappings, tables, and other frameworks' objects.

Nothing is imported to know them by: a table is what has rows, a document is what has a text under one of `TEXT_KEYS`.
"""

from __future__ import annotations

import math
import numbers
import operator
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeAlias, cast

from judge_rerank.core.documents import Document, Query
from judge_rerank.core.errors import InputError

TEXT_KEYS = ("text", "page_content", "content", "passage", "body")
"""Where the text stands in a mapping, a row or an object; of several that have a value, the first."""

ID_KEYS = ("id", "_id")
"""Where the id stands in a mapping or a row."""

_OBJECT_IDS = ("id", "id_", "node_id", "doc_id")
_FIELDS = frozenset({"title", "score", *ID_KEYS})
_EXPECTED = f"a string, a Document, or a mapping or object with one of {', '.join(TEXT_KEYS)}"
_ROWS = (("columns", "to_dicts"), ("column_names", "to_pylist"))
"""Tables that are not pandas: what has the one attribute gives its rows by the other (polars; pyarrow)."""


class _WithText(Protocol):
    @property
    def text(self) -> str | None: ...


class _WithPageContent(Protocol):
    @property
    def page_content(self) -> str: ...


class _WithContent(Protocol):
    @property
    def content(self) -> str | None: ...


class Table(Protocol):
    """A table whose rows are documents: a DataFrame of pandas or polars, a pyarrow table."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        ...


DocumentLike = str | Mapping[str, Any] | Document | _WithText | _WithPageContent | _WithContent
"""One document, as callers may pass it."""

DocumentsLike = Iterable[DocumentLike] | Table
"""Several documents, as callers may pass them."""


def as_query(query: str | Query) -> Query:
    """The query, checked.

    Raises:
        InputError: it is empty or not a string.
    """
    if isinstance(query, str):
        query = Query(text=str(query))
    if not isinstance(query, Query) or not isinstance(query.text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        msg = f"The query is {type(query).__name__}; expected a string or a Query."
        raise InputError(msg)
    if not query.text.strip():
        msg = "The query is empty, so there is nothing to judge the documents against."
        raise InputError(msg)
    identifier = _identifier(query.id, lambda: "The query's id", described)
    return query if identifier == query.id else replace(query, id=identifier)


def as_documents(docs: DocumentsLike) -> tuple[Document, ...]:
    """The documents, checked, in the given order.

    Args:
        docs: any iterable of texts, mappings, `Document`s and objects with a text; or a table, whose rows are
            documents. Text, title, id and score of a mapping, a row or an object are found by their names
            (`TEXT_KEYS`, `title`, `ID_KEYS`, `score`); whatever else it has becomes metadata. Cells without a value
            (None, NaN) are left out.

    Raises:
        InputError: one is not a document; the message has its position.
    """
    _require_several(docs)
    rows = _rows(docs)
    try:
        items = list(cast("Iterable[object]", docs if rows is None else rows))
    except TypeError:
        msg = f"docs is {type(docs).__name__}; expected a list, each of them {_EXPECTED}."
        raise InputError(msg) from None
    return tuple(_as_document(item, position) for position, item in enumerate(items))


def document_from(
    record: Mapping[str, Any], name: Callable[[str], str], describe: Callable[[object], str] | None = None
) -> Document:
    """The document that a mapping holds.

    Args:
        record: its keys and values.
        name: how messages call a key of it.
        describe: how messages call a value.

    Raises:
        InputError: it has no text, or something in it is of the wrong kind.
    """
    say = describe or described
    key = next((key for key in TEXT_KEYS if not is_missing(record.get(key))), None)
    key = key or next((key for key in TEXT_KEYS if key in record), None)
    if key is None:
        found = ", ".join(repr(key) for key in list(record)[:8]) or "none"
        raise InputError(
            f"{name('text')} is missing (keys found: {found}); one of {', '.join(TEXT_KEYS)} was expected."
        )
    title = record.get("title")
    return Document(
        text=_text(record[key], name(key), say),
        title=None if is_missing(title) or not title else _text(title, name("title"), say),
        id=identifier_in(record, name, say),
        score=_score(record.get("score"), name("score"), say),
        metadata={
            str(other): value
            for other, value in record.items()
            if other != key and other not in _FIELDS and (value is None or not is_missing(value))
        },
        source=record,
    )


def identifier_in(
    record: Mapping[str, Any], name: Callable[[str], str], describe: Callable[[object], str] | None = None
) -> str | None:
    """The id that a mapping holds, as a string; None where it has none. The arguments are those of `document_from`.

    Raises:
        InputError: it is neither a string nor a whole number.
    """
    value = next((record[key] for key in ID_KEYS if not is_missing(record.get(key))), None)
    return _identifier(value, lambda: name("id"), describe or described)


def is_missing(value: object) -> bool:
    """Whether a cell is empty: None, or not a number."""
    if isinstance(value, numbers.Real):
        return bool(value != value)  # noqa: PLR0124 -- NaN alone is not what it is; huge integers are no floats
    return value is None or type(value).__name__ in {"NAType", "NaTType"}


def described(value: object) -> str:
    """A value as messages call it: a short one as it is, another by its type."""
    shown = repr(value)
    return shown if isinstance(value, (str, float, bool)) and len(shown) <= 40 else type(value).__name__


def _require_several(docs: object) -> None:
    kind = type(docs).__name__
    if callable(getattr(docs, "readline", None)):
        raise InputError(
            f"docs is an open file ({kind}); expected documents. Read the file: "
            "judge_rerank.readers.read_documents(path), or read_jsonl(file) for JSON lines."
        )
    if callable(getattr(docs, "__fspath__", None)):
        raise InputError(f"docs is a path; expected documents: judge_rerank.readers.read_documents({str(docs)!r}).")
    if isinstance(docs, (str, bytes, Mapping, Document)) or _object_text(docs) is not None:
        raise InputError(f"docs is one {kind}; expected a list of documents: rerank(query, [doc, ...]).")


def _rows(docs: object) -> Iterable[object] | None:
    """The rows of a table as mappings; None for what is no table."""
    for attribute, method in _ROWS:
        if callable(getattr(docs, method, None)) and hasattr(docs, attribute):
            return cast("Iterable[object]", getattr(docs, method)())
    if not (callable(getattr(docs, "to_dict", None)) and hasattr(docs, "columns") and hasattr(docs, "index")):
        return None
    frame = cast("Any", docs)
    if frame.index.name in {*TEXT_KEYS, *ID_KEYS} and frame.index.name not in frame.columns:
        frame = frame.reset_index()
    return cast("Iterable[object]", frame.to_dict("records"))


def _as_document(item: object, position: int) -> Document:
    where = f"docs[{position}]"
    if isinstance(item, Document):
        return _checked(item, where)
    if isinstance(item, str):
        return Document(text=str(item), source=item)
    if isinstance(item, Mapping):
        return document_from(cast("Mapping[str, Any]", item), lambda key: f"{where}[{key!r}]")
    text = _object_text(item)
    if text is not None:
        return _from_object(item, text, where)
    bare = next((f" without a string as its {key}" for key in TEXT_KEYS if key in dir(item)), "")
    raise InputError(f"{where} is {type(item).__name__}{bare}; expected {_EXPECTED}.")


def _object_text(item: object) -> str | None:
    values = (_attribute(item, key) for key in TEXT_KEYS)
    return next((str(value) for value in values if isinstance(value, str)), None)


def _attribute(item: object, name: str) -> object:
    """An attribute, or None; a property that fails (LlamaIndex has some, for nodes without text) is none."""
    try:
        return getattr(item, name, None)
    except Exception:
        return None


def _from_object(item: object, text: str, where: str) -> Document:
    """A document of LangChain, LlamaIndex or Haystack, or of anybody who names the parts as they do."""
    metadata = next((value for key in ("metadata", "meta") if (value := _attribute(item, key)) is not None), None)
    known: Mapping[str, Any] = cast("Any", metadata) if isinstance(metadata, Mapping) else {}
    identifier = next((value for key in _OBJECT_IDS if not is_missing(value := _attribute(item, key))), None)
    title = _attribute(item, "title")
    return Document(
        text=text,
        title=title if isinstance(title, str) and title else None,
        id=_identifier(identifier, lambda: f"{where}.id", described),
        score=_score(_attribute(item, "score"), f"{where}.score", described),
        metadata={str(key): value for key, value in known.items()},
        source=item,
    )


def _checked(document: Document, where: str) -> Document:
    """A `Document` as the caller made it, which nothing has checked yet."""
    _text(document.text, f"{where}.text", described)
    if document.title is not None:
        _text(document.title, f"{where}.title", described)
    _score(document.score, f"{where}.score", described)
    if not isinstance(document.metadata, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"{where}.metadata is {type(document.metadata).__name__}; expected a mapping.")
    identifier = _identifier(document.id, lambda: f"{where}.id", described)
    return document if identifier == document.id else replace(document, id=identifier)


def _text(text: object, where: str, say: Callable[[object], str]) -> str:
    if not isinstance(text, str):
        raise InputError(f"{where} is {say(text)}; expected a string.")
    return str(text)


def _identifier(value: object, where: Callable[[], str], say: Callable[[object], str]) -> str | None:
    """An id as a string. A whole number with a fraction of 0 is one: so pandas has numbers in a column with gaps."""
    if is_missing(value):
        return None
    if isinstance(value, (str, uuid.UUID)):
        return str(value) or None
    if not isinstance(value, bool):
        try:
            return str(operator.index(cast("Any", value)))
        except TypeError:
            if isinstance(value, float) and value.is_integer():
                return str(int(value))
    raise InputError(f"{where()} is {say(value)}; expected a string, a whole number or None.")


def _score(score: object, where: str, say: Callable[[object], str]) -> float | None:
    if is_missing(score):
        return None
    try:
        number = float(cast("Any", score))
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(score, (str, bool)) or not math.isfinite(number):
        raise InputError(f"{where} is {say(score)}; expected a finite number.")
    return number


Pair: TypeAlias = tuple[str | Query, DocumentsLike]
"""A query with its documents."""

_PAIRS = "expected a list of pairs: [(query, [doc, ...]), ...]."


def as_pairs(pairs: Iterable[Pair]) -> Iterable[Pair]:
    """The pairs, if they are several of anything.

    Raises:
        InputError: they are one thing, such as a text or a mapping.
    """
    given: object = pairs
    if isinstance(given, str) or hasattr(given, "keys") or not hasattr(given, "__iter__"):
        raise InputError(f"pairs is {type(given).__name__}; {_PAIRS}")
    return pairs


def as_pair(pair: object, place: int) -> Pair:
    """A query with its documents, checked to be that; `place` is where it stands among the pairs.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(pair, Sequence) or isinstance(pair, str) or len(cast("Sequence[Any]", pair)) != 2:
        raise InputError(f"pairs[{place}] is not a query with its documents; {_PAIRS}")
    return cast("Pair", pair)
