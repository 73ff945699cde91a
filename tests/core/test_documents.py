"""What counts as a query and as documents."""

import pytest

from judge_rerank import Document, InputError, Query
from judge_rerank.core.documents import as_documents, as_query


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
        ([{"body": "a"}], r"docs\[0\] has no 'text' \(its keys: 'body'\)"),
        ([{"text": 3}], r"docs\[0\]\['text'\] is int"),
        ([{"text": "a", "title": 3}], r"\['title'\] is int"),
        ([{"text": "a", "id": [1]}], r"\['id'\] is list"),
        ([{"text": "a", "score": "high"}], r"\['score'\] is 'high'"),
        ([{"text": "a", "score": float("nan")}], r"\['score'\] is nan"),
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
