"""What the field runs are made of: cases by kind, and those that need no provider but one in this process."""

from __future__ import annotations

import csv
import gzip
import json
import math
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from judge_rerank import Budget, Document, InputError, Judge, Price, Ranking
from judge_rerank.core import ChatReply, ChatRequest, prompt_text
from judge_rerank.readers import read_documents, read_qrels
from judge_rerank.testing import FakeBackend

DOCS = ["Sand dunes in Namibia.", "Frank Herbert wrote Dune.", "A dune buggy."]
QUERY = "who wrote Dune?"
DEAR = Price(input_usd_per_mtok=1, output_usd_per_mtok=1)


class FellShort(Exception):
    """What a case shows that is not right."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One situation, and what shows whether all comes out right: `run` raises `FellShort`, or anything else, if not."""

    kind: str
    situation: str
    run: Callable[[], None]


CASES: list[Case] = []


def case(kind: str, *situations: object) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Enter a function as a case of a kind, once for each situation, which is its argument; once if there is none."""

    def enter(check: Callable[..., None]) -> Callable[..., None]:
        name = check.__name__.replace("_", " ")
        if not situations:
            CASES.append(Case(kind=kind, situation=name, run=check))
        for each in situations:
            CASES.append(Case(kind=kind, situation=f"{name}: {_short(each)}", run=lambda each=each: check(each)))
        return check

    return enter


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 90 else text[:89] + "…"


def need(holds: bool, said: str) -> None:
    """Fall short, with `said`, unless it holds."""
    if not holds:
        raise FellShort(said)


def need_whole(ranking: Ranking, n: int) -> None:
    """Every document is there once."""
    need(sorted(ranking.order) == list(range(n)), f"the order is {ranking.order}")


@contextmanager
def refused() -> Generator[None]:
    """What is in the block has to be refused as bad input."""
    try:
        yield
    except InputError:
        return
    raise FellShort("it was taken")


# rerank_many


def _yes(_: ChatRequest) -> str:
    return '{"ranking": [2, 1, 3]}'


BAD_PAIRS: tuple[Any, ...] = (
    ("", DOCS),
    (" \n", DOCS),
    (None, DOCS),
    (7, DOCS),
    (QUERY, None),
    (QUERY, 7),
    (QUERY, [None]),
    (QUERY, [{"id": 1}]),
    (QUERY,),
    None,
    "who wrote Dune?",
    (QUERY, DOCS, 3),
)


@case("rerank_many", *BAD_PAIRS)
def a_bad_pair_is_named_before_a_call(bad: Any) -> None:
    pairs: list[Any] = [(QUERY, DOCS)] * 36
    pairs[30] = bad
    backend = FakeBackend(_yes)
    try:
        Judge(backend, strategy="listwise").rerank_many(pairs)
    except InputError as error:
        need("30" in str(error), f"the error does not name pair 30: {error}")
        need(error.pair == 30, f"error.pair is {error.pair}")
        need(not backend.requests, f"{len(backend.requests)} calls were made before")
        return
    raise FellShort("nothing was raised")


@case("rerank_many", *BAD_PAIRS)
def the_others_are_returned(bad: Any) -> None:
    pairs: list[Any] = [(QUERY, DOCS)] * 36
    pairs[30] = bad
    made: list[Any] = list(Judge(FakeBackend(_yes), strategy="listwise").rerank_many(pairs, on_error="return"))
    need(len(made) == 36, f"{len(made)} came back")
    wrong = [place for place, each in enumerate(made) if not isinstance(each, Ranking)]
    need(wrong == [30], f"no rankings at {wrong}")
    need(all(each.order == (1, 0, 2) for each in made if isinstance(each, Ranking)), "an order is wrong")


@case("rerank_many")
def a_failure_in_the_middle_keeps_what_was_paid_for() -> None:
    def reply(request: ChatRequest) -> Any:
        bad = "number 5" in request.messages[-1].content
        return ValueError("broken backend") if bad else _yes(request)

    judge = Judge(FakeBackend(reply, concurrency=1), strategy="listwise")
    pairs = [(f"number {n}", DOCS) for n in range(12)]
    try:
        judge.rerank_many(pairs)
    except Exception as error:
        made = getattr(error, "rankings_made", {})
        need(getattr(error, "pair", None) == 5, f"the error does not name pair 5: {error!r}")
        need(set(range(5)) <= set(made), f"the error holds only {sorted(made)}")
        return
    raise FellShort("nothing was raised")


# Input unknown

YES = '{"relevant": true}'
COUNTS: tuple[Any, ...] = (
    *(None, 0, -1, -(10**9), 10**15, math.nan, math.inf, -math.inf, "12", ""),
    *(True, False, 0.0, [], {}, 2**63, 1e300, "NaN"),
)
ODD: tuple[dict[str, Any], ...] = (
    *({"prompt_tokens": count, "completion_tokens": 5} for count in COUNTS),
    *({"prompt_tokens": count, "completion_tokens": count} for count in COUNTS),
    *({"input_tokens": count, "output_tokens": 5} for count in COUNTS[:8]),
    {},
    {"completion_tokens": 5},
    {"total_tokens": 5},
    {"prompt_tokens": None, "completion_tokens": None, "total_tokens": 0},
    {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    {"prompt_tokens": 20, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 10**9}},
    {"prompt_tokens": 0, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 0}},
    {"prompt_tokens": None, "completion_tokens": 5, "total_tokens": 5},
    {"usage": None},
)


@case("input unknown", *ODD)
def a_cap_holds(block: dict[str, Any]) -> None:
    """The provider bills a token for every character, whatever it says."""
    docs = [f"a document of always the same length, {n:02}" for n in range(40)]
    given = {
        name: block[key]
        for name, key in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens"))
        if isinstance(block.get(key), int)
    }
    backend = FakeBackend(ChatReply(text=YES, usage=block, **given), local=False, concurrency=4)
    judge = Judge(backend, prices={"fake": DEAR}, budget=Budget(usd="0.002"), strategy="binary")
    ranking = judge.rerank(QUERY, docs)
    need_whole(ranking, 40)
    read = sum(backend.count_tokens(prompt_text(request.messages)) + 5 for request in backend.requests)
    billed = Decimal(read).scaleb(-6)
    need(billed <= Decimal("0.002"), f"billed ${billed} under a cap of $0.002")
    cost = ranking.usage.cost_usd
    need(cost is not None and billed <= cost <= Decimal("0.002"), f"says {cost}, billed {billed}")


# Files

CSV_FILES = {
    "docs.csv": ("utf-8", ","),
    "docs.tsv": ("utf-8", "\t"),
    "bom.csv": ("utf-8-sig", ","),
    "utf16.csv": ("utf-16", ","),
    "utf16.tsv": ("utf-16-le", "\t"),
    "docs.csv.gz": ("utf-8", ","),
    "semicolons.csv": ("utf-8", ";"),
    "crlf.csv": ("utf-8", ","),
    "UPPER.CSV": ("utf-8", ","),
}
JSON_FILES = ["corpus.jsonl", "corpus.jsonl.gz", "corpus.json", "corpus.ndjson", "corpus.json.gz", "utf16.jsonl"]


@contextmanager
def _folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _read_back(path: Path) -> None:
    found = [(each.id, each.text) for each in read_documents(path)]
    wanted = [(f"d {n}", text) for n, text in enumerate(DOCS)]
    need(found == wanted, f"read as {found}")


@case("files", *CSV_FILES)
def a_table(name: str) -> None:
    encoding, comma = CSV_FILES[name]
    with _folder() as folder:
        path = folder / name
        plain = folder / "plain"
        with plain.open("w", encoding=encoding, newline="") as out:
            rows = csv.writer(out, delimiter=comma, lineterminator="\r\n" if name.startswith("crlf") else "\n")
            rows.writerows([("id", "text"), *((f"d {n}", text) for n, text in enumerate(DOCS))])
        raw = plain.read_bytes()
        path.write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
        _read_back(path)


@case("files", *JSON_FILES)
def records(name: str) -> None:
    rows = [{"_id": f"d {n}", "text": text} for n, text in enumerate(DOCS)]
    text = json.dumps(rows) if ".json" in name and "jsonl" not in name else "\n".join(map(json.dumps, rows))
    raw = text.encode("utf-16" if name.startswith("utf16") else "utf-8")
    with _folder() as folder:
        (folder / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
        _read_back(folder / name)


QRELS = {
    "three columns": ["q 1\td 1\t1", "q 1\td 2\t0"],
    "a header": ["query-id\tcorpus-id\tscore", "q 1\td 1\t1", "q 1\td 2\t0"],
    "four columns": ["q 1\t0\td 1\t1", "q 1\tQ0\td 2\t0"],
    "windows line ends": ["q 1\td 1\t1\r", "q 1\td 2\t0\r"],
    "an empty line": ["q 1\td 1\t1", "", "q 1\td 2\t0", ""],
}


@case("files", *QRELS)
def ids_with_blanks_in_qrels(form: str) -> None:
    with _folder() as folder:
        path = folder / "qrels.tsv"
        path.write_bytes("\n".join(QRELS[form]).encode())
        found = read_qrels(path)
        need(found == {"q 1": {"d 1": 1.0, "d 2": 0.0}}, f"read as {found}")


@case("files", "docs.pdf", "docs.zip", "docs.xlsx", "docs.bin")
def what_cannot_be_read_is_named(name: str) -> None:
    with _folder() as folder:
        (folder / name).write_bytes(b"%PDF-1.7\0\xff\xfe" + bytes(range(256)))
        try:
            found = read_documents(folder / name)
        except InputError as error:
            need(name in str(error), f"the error does not name the file: {error}")
            return
        raise FellShort(f"it was read as {found[:1]}")


# Objects


class _PageContent:
    def __init__(self, text: str) -> None:
        self.page_content, self.metadata, self.id = text, {"source": "x"}, None


class _Content:
    def __init__(self, text: str) -> None:
        self.content, self.meta, self.id, self.score = text, {}, "d", 0.5


def _objects() -> dict[str, Any]:
    """Documents as other libraries have them; what is not installed is left out."""
    made: dict[str, Any] = {
        "mappings": [{"text": text, "id": n} for n, text in enumerate(DOCS)],
        "passage": [{"passage": text} for text in DOCS],
        "body": [{"body": text, "title": "t"} for text in DOCS],
        "page_content": [_PageContent(text) for text in DOCS],
        "content": [_Content(text) for text in DOCS],
        "documents": [Document(text=text) for text in DOCS],
        "a tuple": tuple(DOCS),
        "a generator": (text for text in DOCS),
        "values of a dict": dict(enumerate(DOCS)).values(),
    }
    try:
        import numpy as np
    except ImportError:
        return made
    made["numpy strings"] = np.array(DOCS)
    made["numpy ids"] = [{"id": np.int64(n), "text": text, "score": np.float32(0.5)} for n, text in enumerate(DOCS)]
    made["numpy objects"] = np.array(DOCS, dtype=object)
    try:
        import pandas as pd  # pyright: ignore[reportMissingImports]
    except ImportError:
        return made
    made["a DataFrame"] = pd.DataFrame({"text": DOCS, "id": [1, 2, 3]})
    made["a DataFrame with gaps"] = pd.DataFrame({"text": DOCS, "title": ["t", None, math.nan], "id": [1, math.nan, 3]})
    made["a DataFrame by content"] = pd.DataFrame({"content": DOCS, "n": [1.5, 2.5, 3.5]}, index=["x", "y", "z"])
    made["a Series"] = pd.Series(DOCS)
    made["records"] = pd.DataFrame({"text": DOCS, "id": [1, 2, math.nan]}).to_dict("records")
    return made


OBJECTS = _objects()


@case("objects", *OBJECTS)
def rows_are_documents(name: str) -> None:
    ranking = Judge(FakeBackend(_yes), strategy="listwise").rerank(QUERY, OBJECTS[name])
    texts = [place.document.text for place in ranking]
    need(texts == [DOCS[1], DOCS[0], DOCS[2]], f"ranked {texts}")


@case("objects", "a text", b"bytes", {"text": "a"}, 7, None, [7], [None], [[DOCS[0]]], [{"id": 3}], [b"x"], {"a": "b"})
def what_is_no_list_of_documents(given: Any) -> None:
    backend = FakeBackend(_yes)
    with refused():
        Judge(backend, strategy="listwise").rerank(QUERY, given)
    need(not backend.requests, "a call was made")


@case("objects")
def an_open_file_is_no_list_of_documents() -> None:
    with _folder() as folder:
        path = folder / "docs.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in DOCS))
        with path.open() as lines, refused():
            Judge(FakeBackend(_yes), strategy="listwise").rerank(QUERY, lines)
