"""Where datasets come from: BEIR and TREC files, one's own log as JSONL, the ir_datasets catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from judge_rerank.core import DataError, Document, InputError, MissingExtra, Query, SetupError
from judge_rerank.evaluation.datasets import Dataset, Topic, checked
from judge_rerank.readers import (
    document_of,
    json_value,
    numbered_lines,
    read_qrels,
    read_queries,
    read_run,
    read_trec,
    record_id,
    suffix_of,
    whole,
)

CATALOGUE = "ir_datasets:"
"""What a path begins with that is an id of the ir_datasets catalogue."""

_PLACES: Mapping[str, tuple[str, ...]] = {
    "corpus": ("corpus.jsonl", "corpus.tsv", "corpus.csv", "corpus.parquet"),
    "topics": ("queries.jsonl", "queries.tsv", "topics.txt", "topics.tsv", "topics"),
    "qrels": ("qrels.tsv", "qrels/test.tsv", "qrels.txt", "qrels"),
    "run": ("candidates.trec", "run.trec", "run.txt"),
}
_SIGNALS = ("grade", "rating", "clicks")
_TOPIC = re.compile(r"<top>(.*?)</top>", re.DOTALL | re.IGNORECASE)
_NUMBER = re.compile(r"<num>\s*(?:Number:)?\s*([^\s<]+)", re.IGNORECASE)
_TITLE = re.compile(r"<title>\s*(?:Topic:)?\s*(.*?)\s*(?=<|\Z)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Files:
    """Files of a dataset whose names are not the usual ones, within its folder or anywhere; None for the usual one."""

    corpus: str | None = None
    topics: str | None = None
    qrels: str | None = None
    run: str | None = None


def load(path: Path | str, *, name: str | None = None, files: Files | None = None) -> Dataset:
    """A dataset, checked.

    Args:
        path: a folder with `corpus.jsonl`, `queries.jsonl`, `qrels.tsv` (or `qrels/test.tsv`) and the first stage's
            run `candidates.trec`; a JSONL file of one's own queries, with a line of
            `{"query": …, "candidates": [{"text": …, "grade": 2}, …]}` for each, where `clicks` (any make it relevant)
            or `rating` may stand for `grade`; or "ir_datasets:ID".
        name: what results call it; by default the folder's or file's name.
        files: names of files that differ from these. Topics may also be TREC's own format (`<top><num><title>`).

    Raises:
        DataError: a file is missing, cannot be read, or does not fit the others; path and line are in the error.
        MissingExtra: the ir_datasets package is not installed.
    """
    given = files or Files()
    if str(path).startswith(CATALOGUE):
        found = _catalogued(str(path).removeprefix(CATALOGUE), given)
    elif Path(path).is_dir():
        found = _folder(Path(path), given)
    else:
        found = read_log(path)
    return checked(replace(found, name=name or found.name))


def is_dataset(path: Path | str) -> bool:
    """Whether `load` is meant by a path: a folder with queries, a log of queries with candidates, an id.

    A path that is not there is one, so that `load` says so.
    """
    if str(path).startswith(CATALOGUE):
        return True
    place = Path(path)
    if place.is_dir():
        return any((place / f"{usual}{packed}").is_file() for usual in _PLACES["topics"] for packed in ("", ".gz"))
    if suffix_of(place) not in {".jsonl", ".ndjson"}:
        return not place.exists()
    first = next(iter(numbered_lines(place)), (1, ""))[1]
    return '"candidates"' in first


def _folder(folder: Path, files: Files) -> Dataset:
    places = {part: _place(folder, part, getattr(files, part)) for part in _PLACES}
    queries = read_topics(places["topics"])
    grades = read_qrels(places["qrels"])
    pairs = read_trec(places["run"], places["corpus"], queries)
    topics = [Topic(query=query, candidates=tuple(documents)) for query, documents in pairs]
    return Dataset(
        name=folder.resolve().name, topics=_with_bare(topics, queries, grades), grades=grades, source=str(folder)
    )


def _with_bare(
    topics: Sequence[Topic], queries: Mapping[str, Query], grades: Mapping[str, Mapping[str, float]]
) -> tuple[Topic, ...]:
    """The topics, and after them the judged queries for which the first stage found nothing."""
    found = {topic.id for topic in topics}
    bare = (queries[name] for name in grades if name in queries and name not in found)
    return (*topics, *(Topic(query=query, candidates=()) for query in bare))


def _place(folder: Path, part: str, given: str | None) -> Path:
    if given is not None:
        return folder / Path(given).expanduser()
    for usual in _PLACES[part]:
        for packed in ("", ".gz"):
            if (found := folder / f"{usual}{packed}").is_file():
                return found
    raise DataError(
        f"There is no {_PLACES[part][0]} in this folder. Name the file with '{part}:', or check the path.", path=folder
    )


def read_topics(path: Path | str) -> dict[str, Query]:
    """Queries by id: JSONL, `.tsv`, or topics in TREC's own format, of which the title is the query.

    Raises:
        DataError: a line or topic is not a query, or an id stands twice.
    """
    if suffix_of(path) in {".jsonl", ".tsv"}:
        return read_queries(path)
    text = whole(path).decode("utf-8", "replace")
    queries: dict[str, Query] = {}
    for topic in _TOPIC.finditer(text):
        line = text.count("\n", 0, topic.start()) + 1
        number, title = _NUMBER.search(topic[1]), _TITLE.search(topic[1])
        if number is None or title is None or not title[1]:
            raise DataError("This topic lacks its <num> or its <title>.", path=path, line=line)
        if number[1] in queries:
            raise DataError(f"Topic {number[1]!r} appears in this file twice.", path=path, line=line)
        queries[number[1]] = Query(text=" ".join(title[1].split()), id=number[1])
    if not queries:
        raise DataError("There are no topics in it: JSONL, a .tsv, or <top><num>…<title>… was expected.", path=path)
    return queries


def read_log(path: Path | str) -> Dataset:
    """A dataset from one's own queries, a line for each; see `load`.

    Queries without an `id` are called by their line ("q7"), candidates by their place ("q7-1").

    Raises:
        DataError: a line is not such a record, or no candidate has a grade, a rating or clicks.
    """
    topics: dict[str, Topic] = {}
    grades: dict[str, dict[str, float]] = {}
    texts: dict[str, Document] = {}
    for number, line in numbered_lines(path):
        record = _log_record(json_value(line, str(path), number), path, number)
        name = record_id(record, str(path), number) or f"q{number}"
        if name in topics:
            raise DataError(f"Query {name!r} appears in this file twice.", path=path, line=number)
        listed: list[Document] = []
        for place, entry in enumerate(record["candidates"], start=1):
            document, grade = _log_candidate(entry, f"{name}-{place}", path, number)
            _require_same(document, texts, path, number)
            listed.append(document)
            if grade is not None:
                grades.setdefault(name, {})[document.id or ""] = grade
        if len({document.id for document in listed}) < len(listed):
            raise DataError(f"A candidate of query {name!r} is listed twice.", path=path, line=number)
        topics[name] = Topic(query=Query(text=record["query"], id=name), candidates=tuple(listed))
    if topics and not grades:
        raise DataError(
            f"No candidate has any of {', '.join(map(repr, _SIGNALS))}; without one of them, nothing can be measured.",
            path=path,
        )
    return Dataset(name=Path(path).stem, topics=tuple(topics.values()), grades=grades, source=str(path))


def _log_record(value: object, path: Path | str, number: int) -> dict[str, Any]:
    if isinstance(value, dict):
        record = cast("dict[str, Any]", value)
        query, candidates = record.get("query"), record.get("candidates")
        if isinstance(query, str) and query.strip() and isinstance(candidates, list):
            return record
    raise DataError('An object with a "query" and a list of "candidates" was expected.', path=path, line=number)


def _log_candidate(entry: object, name: str, path: Path | str, number: int) -> tuple[Document, float | None]:
    record = {"text": entry} if isinstance(entry, str) else entry
    if not isinstance(record, dict):
        raise DataError('A candidate is neither an object with a "text" nor a text.', path=path, line=number)
    known = cast("dict[str, Any]", record)
    signals = [signal for signal in _SIGNALS if known.get(signal) is not None]
    if len(signals) > 1:
        raise DataError(f"A candidate has both {signals[0]!r} and {signals[1]!r}; keep one.", path=path, line=number)
    document = document_of({k: v for k, v in known.items() if k not in _SIGNALS}, str(path), number)
    document = document if document.id else replace(document, id=name)
    if not signals:
        return document, None
    value = known[signals[0]]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
        raise DataError(f"{signals[0]!r} is {value!r}; expected a whole number.", path=path, line=number)
    return document, float(value > 0) if signals[0] == "clicks" else float(value)


def _require_same(document: Document, texts: dict[str, Document], path: Path | str, number: int) -> None:
    before = texts.setdefault(document.id or "", document)
    if (before.text, before.title) != (document.text, document.title):
        raise DataError(f"Document {document.id!r} had another text in an earlier line.", path=path, line=number)


def _catalogued(name: str, files: Files) -> Dataset:
    """A dataset of the catalogue, with its own first stage or a run."""
    catalogue = _module()
    try:
        dataset = catalogue.load(name)
    except KeyError:
        raise InputError(f"There is no dataset {name!r} in ir_datasets; https://ir-datasets.com lists them.") from None
    try:
        queries = {query.query_id: Query(text=_text(query), id=query.query_id) for query in dataset.queries_iter()}
        grades: dict[str, dict[str, float]] = {}
        for judged in dataset.qrels_iter():
            grades.setdefault(judged.query_id, {})[judged.doc_id] = float(judged.relevance)
        order = _first_stage(dataset, name, files)
        wanted = {document for query, ids in order.items() if query in queries for document in ids}
        documents = {d.doc_id: _document(d) for d in cast("Iterable[Any]", dataset.docs_store().get_many_iter(wanted))}
    except AttributeError as error:
        raise InputError(
            f"The dataset {name!r} of ir_datasets lacks queries, judgments or documents: {error}."
        ) from None
    except OSError as error:
        raise SetupError(f"The dataset {name!r} could not be fetched: {error}. Is there a network?") from error
    if missing := wanted - set(documents):
        raise DataError(f"Document {min(missing)!r} is not in the collection of {name!r}.", path=files.run)
    topics = [
        Topic(query=queries[query], candidates=tuple(documents[document] for document in ids))
        for query, ids in order.items()
        if query in queries
    ]
    return Dataset(name=name, topics=_with_bare(topics, queries, grades), grades=grades, source=CATALOGUE + name)


def _module() -> Any:
    try:
        return import_module("ir_datasets")
    except ImportError:
        raise MissingExtra("A dataset of the ir_datasets catalogue", "ir-datasets", "ir_datasets") from None


def _first_stage(dataset: Any, name: str, files: Files) -> dict[str, list[str]]:
    if files.run is not None:
        return {query: [entry.document_id for entry in entries] for query, entries in read_run(files.run).items()}
    if not dataset.has_scoreddocs():
        raise InputError(f"The dataset {name!r} of ir_datasets has no first stage; name one with 'run: FILE' (TREC).")
    scored: dict[str, list[tuple[float, str]]] = {}
    for entry in dataset.scoreddocs_iter():
        scored.setdefault(entry.query_id, []).append((-entry.score, entry.doc_id))
    return {query: [document for _, document in sorted(listed)] for query, listed in scored.items()}


def _text(query: Any) -> str:
    return str(getattr(query, "text", None) or getattr(query, "title", None) or query.default_text())


def _document(document: Any) -> Document:
    title = getattr(document, "title", None) or None
    text = getattr(document, "text", None) or getattr(document, "body", None) or document.default_text()
    return Document(id=document.doc_id, title=title, text=text)
