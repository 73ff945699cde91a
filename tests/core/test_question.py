"""What documents are judged by beside the query: instructions, criteria, and the metadata that is shown."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank import Criterion, Document, InputError, Query
from judge_rerank.core import (
    Wishes,
    as_criteria,
    as_fields,
    as_instruction,
    criteria_text,
    shown_fields,
    weighed,
    weighing_sentence,
    with_wishes,
)

NAMES = st.from_regex(r"[a-z][a-z0-9 _-]{0,10}[a-z]", fullmatch=True).filter(
    lambda name: name not in {"id", "document", "doc", "reason", "explanation", "rationale", "judgments"}
)
WEIGHTS = st.floats(0.001, 1000)


@given(
    st.dictionaries(NAMES, st.tuples(WEIGHTS, st.text("abc ,:;{}\"'é", max_size=12)), min_size=1, max_size=5),
)
def test_criteria_as_text_are_the_same_criteria(parts: dict[str, tuple[float, str]]) -> None:
    found = as_criteria({name: Criterion(weight=weight, description=text) for name, (weight, text) in parts.items()})
    assert as_criteria(criteria_text(found)) == found
    assert [each.name for each in found] == list(parts), "in the order given"


def test_the_forms_of_criteria() -> None:
    wanted = as_criteria({"relevance": 0.7, "recency": 0.3})
    for form in (
        "relevance:0.7,recency:0.3",
        "relevance=0.7, recency = .3",
        '{"relevance": 0.7, "recency": 0.3}',
        wanted,
    ):
        assert as_criteria(form) == wanted
    assert as_criteria("") == as_criteria({}) == ()
    described = as_criteria({"recency": {"weight": 1, "description": "newer\n is better"}})
    assert described == (Criterion(name="recency", weight=1.0, description="newer is better"),)


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        ({"": 1}, "has no name"),
        ({"  ": 1}, "has no name"),
        ({'a"b': 1}, "is not a name"),
        ({"a" * 41: 1}, "is not a name"),
        ({"reason": 1}, "cannot be called 'reason'"),
        ({"recency": 1, "Recency": 2}, "'Recency' appears twice"),
        ('{"recency": 1, "recency": 2}', "'recency' appears twice"),
        ("recency:1,recency:2", "'recency' appears twice"),
        ({"a": 0, "b": 0}, "sum to nothing"),
        ({"a": -1, "b": 3}, "'a' is -1; it must be a number from 0"),
        ({"a": math.nan}, "'a' is nan"),
        ({"a": math.inf}, "'a' is inf"),
        ({"a": True}, "expected a number"),
        ({"a": "high"}, "expected a number"),
        ({"a": {"weigth": 1}}, "has a 'weigth'"),
        ({"a": {"description": "x"}}, "has no weight"),
        ("a", "'a' has no weight"),
        ("a:high", "the weight 'high', which is no number"),
        ("{", "cannot be read as JSON"),
        ({f"c{n}": 1 for n in range(11)}, "has 11 criteria; at most 10"),
        (7, "criteria is int"),
    ],
)
def test_criteria_that_cannot_be_used(criteria: Any, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        as_criteria(criteria)


def test_weights_are_shares_of_their_sum() -> None:
    values = {"a": 1.0, "b": 0.5}
    assert (
        weighed(as_criteria({"a": 3, "b": 1}), values) == weighed(as_criteria({"a": 0.75, "b": 0.25}), values) == 0.875
    )
    assert weighing_sentence(as_criteria({"a": 3, "b": Criterion(weight=1, description="newer")})) == (
        "Weigh by these criteria: a 75% and b 25% (newer)."
    )
    assert weighing_sentence(()) == ""


@pytest.mark.parametrize(("given", "message"), [(" \n", "only white space"), (5, "is int"), ("x" * 4001, "4,001")])
def test_instructions_that_cannot_be_used(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_instruction(given)


def test_the_call_comes_before_the_query_and_the_query_before_the_judge() -> None:
    usual = Wishes.of(instruction="judge", criteria={"a": 1}, fields="date")
    plain, own = Query(text="q"), Query(text="q", instruction="own")
    assert with_wishes(plain, Wishes(), usual).instruction == "judge"
    assert with_wishes(own, Wishes(), usual).instruction == "own"
    assert with_wishes(own, Wishes.of(instruction="call"), usual).instruction == "call"
    off = with_wishes(own, Wishes.of(instruction="", criteria={}, fields=()), usual)
    assert (off.instruction, off.criteria, off.fields) == (None, (), ())
    assert with_wishes(plain, Wishes(), Wishes()) == plain


def documents(*values: Any) -> list[Document]:
    return [Document(text="t", metadata={} if value is None else {"f": value}) for value in values]


def test_values_of_fields_are_shown_plainly() -> None:
    moment = datetime(2024, 5, 6, 7, 8, tzinfo=UTC)
    values = [date(2024, 5, 6), moment, 3, 2.5, Decimal("1.10"), True, "two\nlines", ["a", "b"], {"z", "y"}, math.nan]
    shown = [fields[0][1] if fields else None for fields in shown_fields(documents(*values), ["f"])]
    wanted = ["2024-05-06", "2024-05-06T07:08:00+00:00", "3", "2.5", "1.10", "yes", "two lines", "a, b", "y, z", None]
    assert shown == wanted


def test_a_field_is_left_out_where_it_is_missing_and_an_error_where_no_document_has_it() -> None:
    assert shown_fields(documents("x", None), ["f"]) == [(("f", "x"),), ()]
    with pytest.raises(InputError, match=r"No document has the field 'g' in its metadata. The fields are: f\."):
        shown_fields(documents("x", None), ["g"])
    with pytest.raises(InputError, match="The fields are: none"):
        shown_fields(documents(None), ["g"])
    assert shown_fields([], ["g"]) == []


@pytest.mark.parametrize("value", [{"a": 1}, [{"a": 1}], object()])
def test_nested_values_cannot_be_shown(value: Any) -> None:
    with pytest.raises(InputError, match=r"docs\[0\].metadata\['f'\] is (dict|object); a field that is shown is text"):
        shown_fields(documents(value), ["f"])


@pytest.mark.parametrize(
    ("given", "message"), [(5, "is int"), ([""], "has ''"), (["text"], "always shown"), ([1], "has 1")]
)
def test_fields_that_cannot_be_used(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_fields(given)
