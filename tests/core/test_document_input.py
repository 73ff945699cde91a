"""What counts as a query and as documents."""

from __future__ import annotations

import io
from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from judge_rerank import Document, InputError, Query
from judge_rerank.core.document_input import as_documents, as_query

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")


def test_strings_mappings_and_documents_are_documents() -> None:
    given = Document(text="c", id="3")
    got = as_documents(["a", {"text": "b", "title": "B", "id": 2, "score": "1.5" and 1.5, "url": "u"}, given])
    assert got == (Document(text="a"), Document(text="b", title="B", id="2", score=1.5, metadata={"url": "u"}), given)


def test_a_generator_is_a_list() -> None:
    assert len(as_documents(str(i) for i in range(3))) == 3


@pytest.mark.parametrize(
    ("docs", "message"),
    [
        ("one text", r"docs is one str; expected a list"),
        ({"text": "a"}, r"docs is one dict"),
        (7, r"docs is int"),
        (None, r"docs is NoneType"),
        (["a", 7], r"docs\[1\] is int; expected a string"),
        (["a", None], r"docs\[1\] is NoneType"),
        ([{"url": "a"}], r"docs\[0\]\['text'\] is missing \(keys found: 'url'\); one of text, page_content"),
        ([{"content": None}], r"docs\[0\]\['content'\] is NoneType"),
        ([{"text": float("nan")}], r"docs\[0\]\['text'\] is nan; expected a string"),
        ([{"text": "a", "id": True}], r"\['id'\] is True"),
        ([{"text": "a", "id": 1.5}], r"\['id'\] is 1.5"),
        ([{"text": 3}], r"docs\[0\]\['text'\] is int"),
        ([{"text": "a", "title": 3}], r"\['title'\] is int"),
        ([{"text": "a", "id": [1]}], r"\['id'\] is list"),
        ([{"text": "a", "score": "high"}], r"\['score'\] is 'high'"),
        ([{"text": "a", "score": float("inf")}], r"\['score'\] is inf"),
        ([{"text": "a", "score": 10**400}], r"\['score'\]"),
        ([Document(text=5)], r"docs\[0\]\.text is int"),
    ],
)
def test_what_is_no_document_says_which_and_why(docs: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_documents(docs)


@pytest.mark.parametrize(("query", "message"), [("", "empty"), (" \n", "empty"), (None, "NoneType"), (3, "int")])
def test_what_is_no_query_says_why(query: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_query(query)


def test_a_query_may_have_an_id() -> None:
    assert as_query(Query(text="a", id="1")).id == "1"
    assert as_query("a") == Query(text="a")


TEXTS = ("first", "second")


def test_the_first_name_of_the_text_that_has_a_value_counts() -> None:
    names = ["body", "passage", "content", "page_content", "text"]
    for place, name in enumerate(names):
        (document,) = as_documents([{lower: lower for lower in names[: place + 1]}])
        assert document.text == name
        assert set(document.metadata) == set(names[:place])
    (document,) = as_documents([{"text": float("nan"), "content": "here", "_id": "x"}])
    assert (document.text, document.id, dict(document.metadata)) == ("here", "x", {})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.int64(7), "7"),
        (np.str_("a b"), "a b"),
        (7.0, "7"),
        (UUID(int=1), str(UUID(int=1))),
        (float("nan"), None),
        (pd.NA, None),
        ("", None),
        (10**30, str(10**30)),
    ],
)
def test_ids_of_other_types(given: object, expected: str | None) -> None:
    (document,) = as_documents([{"text": "a", "id": given}])
    assert document.id == expected
    if given is not pd.NA:
        (document,) = as_documents([Document(text="a", id=given)])  # pyright: ignore[reportArgumentType]
        assert document.id == expected
        assert as_query(Query(text="a", id=given)).id == expected  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("given", [np.float32(0.5), Decimal("0.5"), np.array(0.5)])
def test_scores_of_other_types(given: object) -> None:
    assert as_documents([{"text": "a", "score": given}])[0].score == 0.5


@pytest.mark.parametrize("given", [float("nan"), np.float32("nan"), pd.NA, pd.NaT, None])
def test_cells_without_a_value_are_left_out(given: object) -> None:
    (document,) = as_documents([{"text": "a", "title": given, "id": given, "score": given, "year": given}])
    assert (document.title, document.id, document.score) == (None, None, None)
    assert list(document.metadata.values()) == ([None] if given is None else [])


def test_numpy_texts_are_plain_strings() -> None:
    (document,) = as_documents(np.array(["a"]))
    assert (type(document.text), type(as_query(np.str_("q")).text)) == (str, str)


def frame() -> Any:
    return pd.DataFrame({"text": TEXTS, "id": [3, 4], "score": [0.5, None], "year": [None, 1965]})


ROWS = [("first", "3", 0.5), ("second", "4", None)]


def tables() -> Mapping[str, Callable[[], Any]]:
    pa = pytest.importorskip("pyarrow")
    return {
        "pandas": frame,
        "records": lambda: frame().to_dict("records"),
        "indexed": lambda: frame().set_index("id"),
        "tuples": lambda: frame().itertuples(),
        "pyarrow": lambda: pa.table({"text": TEXTS, "id": [3, 4], "score": [0.5, None]}),
        "batch": lambda: pa.record_batch({"text": TEXTS, "id": [3, 4], "score": [0.5, None]}),
    }


@pytest.mark.parametrize("kind", ["pandas", "records", "indexed", "tuples", "pyarrow", "batch"])
def test_rows_of_a_table_are_documents(kind: str) -> None:
    documents = as_documents(tables()[kind]())
    assert [(d.text, d.id, d.score) for d in documents] == ROWS


def test_rows_of_a_hugging_face_dataset_are_documents() -> None:
    datasets = pytest.importorskip("datasets")
    documents = as_documents(datasets.Dataset.from_dict({"text": TEXTS, "id": [3, 4], "score": [0.5, None]}))
    assert [(d.text, d.id, d.score) for d in documents] == ROWS


def test_rows_of_a_polars_frame_are_documents() -> None:
    class Frame:
        columns = ("text", "id", "score")
        shape = (2, 3)

        def to_dicts(self) -> list[dict[str, Any]]:
            return [{"text": text, "id": int(i), "score": score} for text, i, score in ROWS]

    assert [(d.text, d.id, d.score) for d in as_documents(Frame())] == ROWS


def test_a_table_without_texts_says_which_columns_it_has() -> None:
    with pytest.raises(InputError, match=r"docs\[0\]\['text'\] is missing \(keys found: 'question', 'answer'\)"):
        as_documents(pd.DataFrame({"question": ["a"], "answer": ["b"]}))


def test_a_mapping_comes_back_as_it_was() -> None:
    row = {"page_content": "a", "title": "T", "year": 1965}
    (document,) = as_documents([row])
    assert document.source is row
    assert document.to_dict() == {"text": "a", "title": "T", "year": 1965}
    assert document == Document(text="a", title="T", metadata={"year": 1965})
    assert "source" not in repr(document)
    assert replace(document, text="b").source is row


@dataclass
class LangChainLike:
    page_content: str
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    id: str | None = None


@dataclass
class HaystackLike:
    id: str
    content: str | None
    meta: dict[str, Any]
    score: float | None = None


class NodeLike:
    def __init__(self, text: str, node_id: str) -> None:
        self.text, self.node_id, self.metadata = text, node_id, {"file": "a.md"}


class ScoredNodeLike:
    """As LlamaIndex has it: properties of the node, some of which fail for nodes without a text."""

    def __init__(self, node: object, score: float) -> None:
        self.node, self.score = node, score

    @property
    def text(self) -> str:
        if not isinstance(self.node, NodeLike):
            raise ValueError("Node must be a TextNode to get text.")  # noqa: TRY004 -- as it is there
        return self.node.text

    node_id = property(lambda self: self.node.node_id)
    metadata = property(lambda self: self.node.metadata)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (LangChainLike("a", {"source": "u"}), Document(text="a", metadata={"source": "u"})),
        (LangChainLike("a", id="7"), Document(text="a", id="7")),
        (
            HaystackLike("h", "a", {"k": 1}, np.float32(0.5)),
            Document(text="a", id="h", metadata={"k": 1}, score=0.5),
        ),
        (NodeLike("a", "n"), Document(text="a", id="n", metadata={"file": "a.md"})),
        (
            ScoredNodeLike(NodeLike("a", "n"), 0.25),
            Document(text="a", id="n", score=0.25, metadata={"file": "a.md"}),
        ),
        (namedtuple("Row", "title body")("T", "a"), Document(text="a", title="T")),
    ],
)
def test_objects_of_frameworks_are_taken_by_their_attributes(given: object, expected: Document) -> None:
    (document,) = as_documents(iter([given]))  # pyright: ignore[reportArgumentType]
    assert document == expected
    assert document.source is given
    with pytest.raises(InputError, match=rf"docs is one {type(given).__name__}; expected a list of documents"):
        as_documents(given)  # pyright: ignore[reportArgumentType]


def test_the_documents_of_langchain_llamaindex_and_haystack() -> None:
    langchain = pytest.importorskip("langchain_core.documents")
    schema = pytest.importorskip("llama_index.core.schema")
    haystack = pytest.importorskip("haystack")
    given = [
        langchain.Document(page_content="a", metadata={"k": 1}, id="1"),
        schema.NodeWithScore(node=schema.TextNode(text="b", id_="2", metadata={"k": 1}), score=0.5),
        schema.Document(text="c", doc_id="3", metadata={"k": 1}),
        haystack.Document(content="d", id="4", meta={"k": 1}),
    ]
    documents = as_documents(given)
    assert [(d.text, d.id, dict(d.metadata)) for d in documents] == [
        (t, str(n), {"k": 1}) for n, t in enumerate("abcd", 1)
    ]
    assert [d.source for d in documents] == given


@pytest.mark.parametrize(
    ("docs", "message"),
    [
        (io.StringIO("a"), r"docs is an open file \(StringIO\); .*read_documents"),
        (io.BytesIO(b"a"), r"docs is an open file"),
        (
            Path("docs.jsonl"),
            r"docs is a path; expected documents: judge_rerank.readers.read_documents\('docs.jsonl'\)",
        ),
        ([HaystackLike("h", None, {})], r"docs\[0\] is HaystackLike without a string as its content; expected"),
        ([ScoredNodeLike(object(), 1.0)], r"docs\[0\] is ScoredNodeLike without a string as its text"),
        ([("a", 0.5)], r"docs\[0\] is tuple; expected a string, a Document, or a mapping or object with one of text"),
        ([b"a"], r"docs\[0\] is bytes"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_was_expected(docs: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_documents(docs)
