"""Which scorers `hybrid`, `cascade` and `auto` take by language, and what is said of those that do not fit."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from judge_rerank import Auto, DefaultCascade, Embedding, Hybrid, Judge
from judge_rerank.core import Candidate, Candidates, Circumstances, Document, JudgeKind, Query, StrategyRunner
from judge_rerank.engine.estimates import neutral
from judge_rerank.models import REGISTRY
from judge_rerank.models.verified import remember
from judge_rerank.strategies import first_fitting, parse
from judge_rerank.testing import FakeBackend
from tests.scorers import tiny

ENGLISH, EVERY = "all-minilm-l6-v2", "multilingual-e5-small-q4"
ARABIC = ["لكل شخص الحق في التعليم", "لا يجوز استرقاق أحد", "لكل فرد الحق في الحياة"]
TAKEN = f"embedding(model='{EVERY}')"

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Install:
    """Models that look as if they were here. Nothing loads them: scores are made up."""
    monkeypatch.setenv("JUDGE_RERANK_MODELS", str(tmp_path / "models"))

    def made(*names: str) -> None:
        for name in names:
            for file in REGISTRY[name].files:
                path = tmp_path / "models" / name / file.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                os.truncate(path, file.size_bytes)
                remember(path, file)

    return made


def at(*languages: str, judge: JudgeKind = "none") -> Circumstances:
    return Circumstances(judge=judge, languages=lambda: frozenset(languages))


def notes(strategy: object, *languages: str, judge: JudgeKind = "none") -> tuple[str, ...]:
    items = [Candidate(index=index, document=Document(text=text)) for index, text in enumerate(ARABIC)]
    candidates = Candidates(items, circumstances=at(*languages, judge=judge))
    run = StrategyRunner(strategy, Query(text="query"), candidates)  # type: ignore[arg-type]
    while not run.done:
        run.send([neutral(effect) for effect in run.round])
    return run.result.notes


def test_english_and_what_cannot_be_told_go_to_the_model_for_english(install: Install) -> None:
    install(ENGLISH, EVERY)
    for languages in ([], ["en"]):
        assert notes(DefaultCascade(), *languages) == ("cascade: embedding",)
        assert "1 embedding, 0 bm25" in notes(Hybrid(), *languages)[0]


def test_other_languages_go_to_the_model_that_knows_them(install: Install) -> None:
    install(ENGLISH, EVERY)
    for languages, named in (("ar",), "a language in Arabic script"), (("de", "en"), "German"):
        first, left_out = notes(DefaultCascade(), *languages)
        assert first == f"cascade: {TAKEN}"
        assert left_out == f"cascade: embedding left out, not trained on {named}"
        assert TAKEN in notes(Hybrid(), *languages)[0]
        assert notes(Hybrid(), *languages)[1] == f"hybrid: embedding left out, not trained on {named}"
    assert f"{TAKEN} % 10" in notes(Auto(), "ar", judge="local")[0]
    assert "auto: embedding left out" in notes(Auto(), "ar", judge="local")[1]


def test_without_one_bm25_takes_its_place_and_the_note_says_how_to_get_one(install: Install) -> None:
    install(ENGLISH)
    first, left_out, *_ = notes(DefaultCascade(), "ar")
    assert first == "cascade: bm25"
    assert left_out.endswith(f"(judge-rerank models pull {EVERY} fetches one that was)")
    assert "0.3" not in notes(Hybrid(), "ar")[0]


def test_a_route_without_a_scorer_has_nothing_to_leave_out(install: Install) -> None:
    install(ENGLISH, EVERY)
    assert not any("left out" in note for note in notes(Auto(), "ar", judge="hosted"))


def test_an_estimate_and_a_ranking_see_the_languages_of_their_documents(install: Install) -> None:
    install(ENGLISH)
    ranking = Judge(FakeBackend("[1]", local=False)).rerank("التعليم", ARABIC, "cascade")
    assert ranking.notes[0] == "cascade: bm25 % 20 >> listwise"
    assert "left out" in ranking.notes[1]
    assert ranking[0].index == 0


def test_a_scorer_that_is_named_stays_and_warns(tmp_path: Path) -> None:
    folder = tiny.bi_encoder(tmp_path).rename(tmp_path / "all-MiniLM-L6-v2")
    named = Embedding(str(folder))
    warned = Judge().rerank("التعليم", ARABIC, named)
    assert warned.notes == (
        f"{named.spec} was not trained on a language in Arabic script, so its scores may mean nothing here",
    )
    assert Judge().rerank("التعليم", ARABIC, Hybrid({named: 1})).notes == warned.notes
    assert Judge().rerank("a dog", ["a dog", "the cat is not a dog and it is of the dog"], named).notes == ()


def test_what_nobody_says_the_languages_of_fits_all(install: Install) -> None:
    candidates = Candidates([Candidate(index=0, document=Document(text="x"))], circumstances=at("ar"))
    assert first_fitting(["embedding", "bm25"], candidates).spec == "bm25"
    assert first_fitting(["embedding"], candidates).spec == "none"
    install(ENGLISH)
    found = first_fitting(["embedding", "bm25"], candidates)
    assert (found.spec, found.left_out) == ("bm25", "embedding left out, not trained on a language in Arabic script")


@pytest.mark.parametrize(
    ("spec", "known"),
    [
        ("embedding", {"en"}),
        (f"embedding('{EVERY}')", {"ar", "en", "hi", "zh"}),
        ("embedding('intfloat/multilingual-e5-small')", {"ar", "en", "hi", "zh"}),
        ("cross-encoder", {"en"}),
        ("cross-encoder('cross-encoder/mmarco-mMiniLMv2-L12-H384-v1')", {"ar", "de", "en", "es", "hi", "ru", "zh"}),
        ("colbert", {"en"}),
        ("flashrank", {"en"}),
        ("flashrank('ms-marco-MultiBERT-L-12')", {"ar", "en", "hi", "zh"}),
    ],
)
def test_what_the_models_that_are_known_by_name_know(spec: str, known: set[str]) -> None:
    languages = parse(spec).languages  # type: ignore[attr-defined]
    assert known <= languages
    assert (languages == {"en"}) == (known == {"en"})
    assert parse("embedding('my/model')").languages is None  # type: ignore[attr-defined]
    assert parse("embedding(vector_key='v')").languages is None  # type: ignore[attr-defined]
