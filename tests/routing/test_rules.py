"""Rules of one's own, in Python and in YAML."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from judge_rerank import DataError, InputError, QueryClass, Rule, Rules
from tests.timing import soon

QUERIES = ["Compare tea and  coffee", "who wrote Dune?", "prescription renewal", "a b c d e f"]


class Noting:
    """Says "other", and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def classify(self, query: str) -> QueryClass:
        return self.classify_many([query])[0]

    def classify_many(self, queries: Iterable[str]) -> list[QueryClass]:
        texts = list(queries)
        self.asked += texts
        return [QueryClass(label="other", confidence=0.5) for _ in texts]


def test_the_first_rule_that_fits_decides() -> None:
    rest = Noting()
    rules = Rules(
        [
            Rule(label="complex", starts_with=("compare", "contrast")),
            Rule(label="medical", contains=("prescription",)),
            Rule(label="factual", regex=r"^(who|when)\b", max_words=5),
            Rule(label="never", contains=("dune",)),
        ],
        fallback=rest,
    )
    found = rules.classify_many(QUERIES)
    assert [each.label for each in found] == ["complex", "factual", "medical", "other"]
    assert [each.confidence for each in found] == [1, 1, 1, 0.5]
    assert rest.asked == ["a b c d e f"]
    assert found[0].reasons == ("it starts with 'compare'",)
    assert found[1].reasons == ("it matches '^(who|when)\\\\b'", "it has 3 words, at most 5")
    assert [rules.classify(query) for query in QUERIES] == found


def test_all_conditions_of_a_rule_have_to_hold() -> None:
    rules = Rules([Rule(label="x", contains=("tea",), min_words=3)], fallback=Noting())
    assert [rules.classify(q).label for q in ("tea", "hot tea now", "hot coffee now")] == ["other", "x", "other"]


@pytest.mark.parametrize(
    ("text", "query", "fits"),
    [
        ("tea", "TEA, please", True),
        ("tea", "a teapot", False),
        ("side effect", "the side   effect of", True),
        ("c++", "learn c++ fast", True),
        ("a.b", "a-b", False),
    ],
)
def test_a_text_stands_in_a_query_as_whole_words(text: str, query: str, fits: bool) -> None:
    assert (Rule(label="x", contains=(text,)).fits(query) is not None) == fits


def test_one_text_needs_no_tuple() -> None:
    assert Rule(label="x", contains="tea").contains == ("tea",)  # pyright: ignore[reportArgumentType]


def test_the_rest_goes_to_the_trained_classifier() -> None:
    assert Rules([Rule(label="x", contains=("zebra",))]).classify("who wrote Dune?").label == "factual"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"regex": "("},
        {"min_words": 5, "max_words": 2},
        {"max_words": 0},
        {"min_words": -1},
        {"contains": ("",)},
        {"starts_with": (" ",)},
        {"label": "", "contains": ("x",)},
    ],
)
def test_a_rule_that_cannot_be(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Rule(**({"label": "x"} | options))


def test_no_rules() -> None:
    with pytest.raises(InputError, match="no rules"):
        Rules([])
    with pytest.raises(InputError, match="empty"):
        Rules([Rule(label="x", min_words=1)]).classify(" ")


def test_rules_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(
        "\ufeff# mine\n- label: complex\n  contains: [compare, versus]\n- {label: legal, starts_with: may i}\n"
        "- label: long\n  min_words: 6\n",
        encoding="utf-8",
    )
    rules = Rules.load(path, fallback=Noting())
    assert rules.rules == (
        Rule(label="complex", contains=("compare", "versus")),
        Rule(label="legal", starts_with=("may i",)),
        Rule(label="long", min_words=6),
    )
    assert [each.label for each in rules.classify_many(QUERIES)] == ["complex", "other", "other", "long"]


GOOD = "- {label: x, contains: tea}\n"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", None, "list of rules"),
        ("[]", None, "list of rules"),
        ("label: x", None, "list of rules"),
        (GOOD + "- tea", 2, "label with conditions"),
        (GOOD + "- {label: x}", 2, "no condition"),
        (GOOD + "- {contains: tea}", 2, "no label"),
        (GOOD + "\n- label: x\n  contain: tea", 3, "Did you mean 'contains'"),
        (GOOD + "- {label: x, regex: '('}", 2, "not a regular expression"),
        (GOOD + "- {label: x, min_words: many}", 2, "whole number"),
        (GOOD + "- {label: x, min_words: true}", 2, "whole number"),
        (GOOD + "- {label: x, contains: [1]}", 2, "in quotes"),
        (GOOD + "- {label: 5, contains: tea}", 2, "in quotes"),
        (GOOD + "- {label: x, contains: ''}", 2, "empty text"),
        (GOOD + "- {label: x, contains: [}", 2, "not YAML"),
        (GOOD + "- !!python/object:os.system {}", 2, "not YAML"),
    ],
)
def test_a_file_that_cannot_be_used(text: str, line: int | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=says) as caught:
        Rules.load(path)
    assert caught.value.path == str(path)
    assert caught.value.line == line


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"- {label: \xe9}")
    for name in ("none.yaml", "latin.yaml"):
        with pytest.raises(DataError, match=name):
            Rules.load(tmp_path / name)


@pytest.mark.parametrize("regex", [r"(a+)+$", r"(a|aa)+$", r"^(\w+\s?)*$", r"(.*)*(.*)*x", r"(x+x+)+y", r"(a*)*b"])
@pytest.mark.parametrize("query", ["a" * 5_000 + "!", "x" * 5_000, "a " * 2_000 + "!"])
def test_a_regex_that_would_take_for_ever_is_stopped(regex: str, query: str) -> None:
    rule = Rule(label="x", regex=regex)
    with soon():
        try:
            rule.fits(query)
        except InputError as error:
            assert "was stopped after" in str(error)  # noqa: PT017 -- some of them are answered


def test_a_regex_that_was_stopped_is_named() -> None:
    with pytest.raises(InputError, match=r"of the rule for 'x' was stopped after .* 5,001 characters"):
        Rule(label="x", regex="(a+)+$").fits("a" * 5_000 + "!")


@pytest.mark.parametrize("regex", ["a" * 2_000, "(" * 900, "(?P<n>a" * 100])
def test_a_regex_that_cannot_be_used(regex: str) -> None:
    with pytest.raises(InputError, match=r"not a regular expression|at most 1,000 were expected"):
        Rule(label="x", regex=regex)
