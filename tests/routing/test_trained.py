"""The classifier that comes with the package."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank import DataError, InputError, QueryClass, QueryClassifier, TrainedClassifier
from judge_rerank.routing import LABELS
from judge_rerank.routing.features import asks, features, in_words, words

TRAINED = TrainedClassifier()

# None of these is in the training data.
KNOWN = {
    "Who composed the opera Fidelio?": "factual",
    "When did the Titanic sink?": "factual",
    "How many legs does a lobster have?": "factual",
    "What is the capital of Mongolia?": "factual",
    "Where is the Uffizi?": "factual",
    "What does the abbreviation UNESCO stand for?": "factual",
    "Why do cats purr?": "semantic",
    "How does a refrigerator work?": "semantic",
    "What is photosynthesis?": "semantic",
    "What causes earthquakes?": "semantic",
    "What is the difference between a crocodile and an alligator?": "semantic",
    "Which is older, Harvard University or the College of William and Mary?": "complex",
    "Are Lake Como and Lake Garda both in the same region?": "complex",
    "Who is the spouse of the director of the film that was produced by the founder of Pixar?": "complex",
    "In what year was the university founded where the author of The Hobbit studied?": "complex",
}


@pytest.mark.parametrize(("query", "label"), KNOWN.items())
def test_plain_cases(query: str, label: str) -> None:
    found = TRAINED.classify(query)
    assert found.label == label
    assert found.confidence is not None
    assert 1 / 3 <= found.confidence <= 1
    assert not found.fallback


def retyped(query: str) -> list[str]:
    return [
        query.lower(),
        query.upper(),
        query.rstrip("?"),
        query.rstrip("?") + " ?",
        query.rstrip("?") + "??",
        f"  {query.replace(' ', '   ')}\t",
        re.sub(r"([,?])", r" \1", query),
        f'"{query}"',
        query.replace("'", "’"),
    ]


@pytest.mark.parametrize("query", [*KNOWN, "What's Mozart's full name?", "Why doesn't ice sink?"])
def test_how_it_is_typed_does_not_matter(query: str) -> None:
    before = TRAINED.classify(query)
    for other in retyped(query):
        assert TRAINED.classify(other) == before, other


def test_clitics_are_the_same_words_however_they_are_spaced() -> None:
    assert words("What 's the city 's name , if it is n't Rome ?") == words("What's the city's name, if it isn't Rome?")
    assert words("whats up") == words("What is up")


def test_keywords_and_claims_are_semantic_with_less_confidence() -> None:
    question = TRAINED.classify("how does concrete set?")
    for query in ("interior concrete flooring ideas", "Statins do not lower the risk of cataracts in older adults."):
        found = TRAINED.classify(query)
        assert found.label == "semantic"
        assert found.confidence is not None
        assert question.confidence is not None
        assert found.confidence < question.confidence
        assert found.reasons[0] == "it asks no question"


def test_reasons_are_words_for_people() -> None:
    found = TRAINED.classify("Why do cats purr?")
    assert 1 <= len(found.reasons) <= 3
    assert any("why" in reason for reason in found.reasons)
    assert all("why" not in reason for reason in TRAINED.classify("Who wrote Dune?").reasons)


def test_every_feature_has_a_name_for_people() -> None:
    for query in KNOWN:
        for feature in features(words(query)):
            assert in_words(feature)
            assert not re.search(r"[{}^$<>]", in_words(feature))


def test_what_asks() -> None:
    assert asks(words("the treaty was signed in which year"))
    assert asks(words("is tea healthy"))
    assert not asks(words("tea health benefits"))
    assert not asks(words("statins help most patients who take them for many years"))


@given(st.text(max_size=300))
def test_any_text_has_a_class(query: str) -> None:
    if not query.strip():
        with pytest.raises(InputError):
            TRAINED.classify(query)
        return
    found = TRAINED.classify(query)
    assert found.label in LABELS
    assert found.confidence is not None
    assert 0 <= found.confidence <= 1
    assert TRAINED.classify(query) == found


def test_the_end_of_a_very_long_query_does_not_count() -> None:
    long = "why " + "is the sky blue and " * 100_000
    assert len(words(long)) == 64
    assert TRAINED.classify(long) == TRAINED.classify(long + "which year")


def test_many_are_classified_as_one_by_one() -> None:
    assert TRAINED.classify_many(KNOWN) == [TRAINED.classify(query) for query in KNOWN]
    assert TRAINED.classify_many([]) == []
    assert isinstance(TRAINED, QueryClassifier)


def test_the_shipped_model_is_small() -> None:
    assert len(files("judge_rerank.routing").joinpath("classifier.json").read_bytes()) <= 500_000


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    record = {
        "format": 1,
        "unit": [1, 1],
        "bias": [-5, -1],
        "slope": [1, 1],
        "no_question": [0, 1],
        "weights": {"0 3": "w:why\tw:how", "9 0": "w:compare"},
    }
    path = tmp_path / "model.json"
    path.write_text(json.dumps(record))
    own = TrainedClassifier(path)
    assert [own.classify(query).label for query in ("why", "who", "compare")] == ["semantic", "factual", "complex"]
    assert own.classify("why").reasons == ("the words “why”",)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "weights": {"a": "w:x"}}', "\xff"])
def test_what_is_no_model(text: str, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"model\.json"):
        TrainedClassifier(path)
    with pytest.raises(DataError, match=r"nowhere\.json"):
        TrainedClassifier(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    "options", [{"label": " "}, {"label": "x", "confidence": 1.5}, {"label": "x", "confidence": -0.1}]
)
def test_a_class_that_is_none(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        QueryClass(**options)
