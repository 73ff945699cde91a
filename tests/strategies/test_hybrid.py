"""Hybrids: signals on one scale, weights, and what is missing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank import BM25, Hybrid, InputError, Judge, Listwise, Score, UnknownName
from judge_rerank.core import Failed, JudgeCall, Outcome, Scores
from judge_rerank.strategies import spec, summed
from judge_rerank.strategies.algorithms.score_fusion import agreement, by_agreement, log_odds
from judge_rerank.testing import FakeBackend, check_strategy, drive, perfect


@pytest.mark.parametrize("norm", ["zscore", "minmax", "rank", "rrf"])
def test_conformance(norm: str) -> None:
    check_strategy(Hybrid({"bm25": 1, "score": 3}, norm=norm))  # type: ignore[arg-type]
    check_strategy(Hybrid({BM25(b=0): 1, "listwise": 1}, norm=norm), ideal_top=1)  # type: ignore[arg-type]


def answers(values: dict[str, list[float | None]]):
    def answer(call: JudgeCall) -> Outcome:
        given = values[call.task]
        if not given:
            return Failed(reason="scorer", message="no")
        return Scores(values=tuple(given[c.index] for c in call.candidates))

    return answer


@pytest.mark.parametrize(
    ("norm", "expected"),
    [("minmax", [0.5, 0.875, 0.5]), ("rank", [0.375, 0.625, 0.5]), ("rrf", [0.984, 0.992, 0.984])],
)
def test_signals_are_put_on_one_scale(norm: str, expected: list[float]) -> None:
    said = answers({"bm25": [0.0, 0.3, 0.4], "score": [0.9, 0.9, 0.1]})
    run = drive(Hybrid({"bm25": 0.5, "score": 0.5}, norm=norm), ["a", "b", "c"], said)  # type: ignore[arg-type]
    assert run.order[0] == 1
    assert [run.scores[index] for index in range(3)] == pytest.approx(expected, abs=1e-3)
    assert len(run.rounds) == 1


def test_only_ratios_of_weights_count() -> None:
    said = answers({"bm25": [0.0, 0.3, 0.4], "score": [0.9, 0.8, 0.1]})
    one, other = (drive(Hybrid(w), ["a", "b", "c"], said) for w in ({"bm25": 1, "score": 2}, {"bm25": 10, "score": 20}))
    assert one.order == other.order
    assert one.scores == pytest.approx(other.scores)


def test_the_scores_that_came_with_the_documents_are_a_signal() -> None:
    docs = [{"text": "a", "score": 1.0}, {"text": "b", "score": 9.0}]
    assert Judge(FakeBackend("")).rerank("q", docs, Hybrid({"first-stage": 1})).order == (1, 0)
    assert Judge(FakeBackend("")).rerank("q", ["a", "b"], Hybrid({"first-stage": 1})).order == (0, 1)


def test_what_one_signal_misses_the_others_decide() -> None:
    said = answers({"bm25": [0.1, None, 0.9], "score": [0.1, 1.0, 0.2]})
    assert drive(Hybrid({"bm25": 1, "score": 1}, norm="minmax"), ["a", "b", "c"], said).order == (1, 2, 0)


def test_a_signal_that_says_nothing_is_left_out_and_reported() -> None:
    said = answers({"bm25": [], "score": [0.1, 1.0, 0.2]})
    assert drive(Hybrid({"bm25": 5, "score": 1}), ["a", "b", "c"], said).order == (1, 2, 0)
    ranking = Judge(FakeBackend("no idea")).rerank("fleas", ["a dog", "fleas"], Hybrid({"bm25": 1, "listwise": 9}))
    assert ranking.order == (1, 0)
    assert ranking.notes == ("hybrid: the signal 'listwise' has no value for any document",)


def test_calls_are_those_of_all_signals_in_the_rounds_of_the_longest() -> None:
    run = drive(Hybrid({"score": 1, Listwise(window_size=4, stride=2): 1}), ["d"] * 10, perfect([0.5] * 10))
    assert [len(calls) for calls in run.rounds] == [11, 1, 1, 1]


BARE = ["hybrid", "hybrid % 20 >> score", "none >> stage(hybrid, fuse=0.5)", "passages(strategy=hybrid)"]


@pytest.mark.parametrize("spec", BARE)
def test_a_bare_hybrid_sums_what_is_here(spec: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUDGE_RERANK_MODELS", "")
    monkeypatch.setenv("JUDGE_RERANK_CACHE_DIR", str(tmp_path))
    docs = ["a dog", "fleas on a dog", "a cat. " * 400]
    ranking = Judge(FakeBackend('{"score": 8}'), max_tokens_per_doc=64).rerank("fleas", docs, spec)
    assert ranking[0].index == 1
    assert ranking.notes == ("hybrid: no weights were given, so the scorers on this machine are used: 1 bm25",)


def test_the_weights_of_a_bare_hybrid_are_renormalised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """FlashRank's model stands in for the cross-encoder; of the vectors there is no model."""
    pytest.importorskip("flashrank")
    monkeypatch.setenv("JUDGE_RERANK_MODELS", "")
    monkeypatch.setenv("JUDGE_RERANK_CACHE_DIR", str(tmp_path))
    folder = tmp_path / "models" / "flashrank" / "ms-marco-TinyBERT-L-2-v2"
    folder.mkdir(parents=True)
    (folder / "model.onnx").touch()
    texts = ["a", "b", "c", "d"]
    said = answers({"bm25": [0.0, 0.3, 0.4, 0.1], "flashrank": [0.2, 0.5, 0.9, 0.1]})
    signals = {
        "bm25": dict(enumerate([0.0, 0.3, 0.4, 0.1])),
        "flashrank": log_odds(dict(enumerate([0.2, 0.5, 0.9, 0.1]))),
    }
    weights = {"bm25": 0.06 * agreement(signals["bm25"], signals["flashrank"]), "flashrank": 0.5}
    assert drive(Hybrid(), texts, said).scores == pytest.approx(summed(signals, weights, "zscore"))
    against = answers({"bm25": [0.4, 0.0, 0.1, 0.3], "flashrank": [0.2, 0.5, 0.9, None]})
    assert drive(Hybrid(), texts, against).order == (2, 3, 1, 0)  # the last by what BM25 says of it


def test_signals_agree_by_their_correlation() -> None:
    one = {0: 0.1, 1: 0.5, 2: 0.9}
    assert agreement(one, {0: 1.0, 1: 5.0, 2: 9.0}) == pytest.approx(1)
    assert agreement(one, {0: 0.9, 1: 0.5, 2: 0.1}) == pytest.approx(-1)
    assert agreement(one, {0: 0.3, 1: 0.3, 2: 0.3}) == 0
    assert agreement(one, {3: 1.0, 4: 0.0}) == agreement({}, {}) == 0
    assert agreement(one, {1: 0.2, 2: 0.4, 7: 0.0}) == pytest.approx(1)


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]), st.dictionaries(st.integers(0, 6), st.floats(0, 1), min_size=1), min_size=1
    )
)
def test_the_most_trusted_signal_keeps_its_weight_and_no_other_gains(found: dict[str, dict[int, float]]) -> None:
    usual = {"a": 0.5, "b": 0.3, "c": 0.2}
    weights = by_agreement(found, usual)
    assert weights.keys() == found.keys()
    assert all(0 < weights[name] <= usual[name] + 1e-9 for name in found)
    telling = [name for name, values in found.items() if len(set(values.values())) > 1]
    assert weights[min(telling or found)] == usual[min(telling or found)]


def test_a_hybrid_without_weights_is_one_strategy() -> None:
    assert Hybrid().spec == "hybrid"
    assert spec.parse("hybrid(norm='rrf')") == Hybrid(norm="rrf") != Hybrid()


def test_spec_strings() -> None:
    weights = {"bm25": 0.3, "score": 0.7}
    assert spec.parse(f"hybrid({weights}, norm='rrf')") == Hybrid(weights, norm="rrf")
    cascade = spec.parse("hybrid({'bm25': 1}) % 10 >> score")
    assert cascade.name == "hybrid % 10 >> score"
    assert Hybrid({"bm25": 1}) % 10 >> Score() == cascade


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "at least one signal"),
        ({"bm25": 0}, "All weights"),
        ({"bm25": -1}, "is -1"),
        ({"bm25": float("nan")}, "is nan"),
        ({"bm25": "much"}, "is 'much'"),
    ],
)
def test_weights_that_cannot_be(weights: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Hybrid(weights)


def test_weights_that_name_no_signal() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'bm25'"):
        Hybrid({"bm52": 1})
    with pytest.raises(InputError, match="norm is 'softmax'"):
        Hybrid({"bm25": 1}, norm="softmax")  # type: ignore[arg-type]
