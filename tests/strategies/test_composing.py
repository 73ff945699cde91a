"""Cascades: what is kept, what is cut, and where the scores come from."""

import contextlib

import pytest

from judge_rerank import BM25, Cascade, InputError, Judge, Listwise, Score, Stage, Unchanged, UnknownName, Unsure
from judge_rerank.core import Scores, Strategy
from judge_rerank.core.backend import ChatRequest
from judge_rerank.strategies import spec
from judge_rerank.strategies.cascade import fewest_kept
from judge_rerank.testing import FakeBackend, check_strategy, drive, perfect
from tests.timing import soon


@pytest.mark.parametrize(
    "strategy",
    [
        BM25() >> Score(),
        Score() % 30 >> Listwise(),
        BM25() % 40 >> Score() % 20 >> Listwise(),
        BM25() >> Stage(strategy=Score(), when=Unsure(margin=0.2, top=3)),
    ],
    ids=lambda strategy: strategy.name,
)
def test_conformance(strategy: Strategy) -> None:
    check_strategy(strategy)


def test_cascades_flatten_and_name_themselves() -> None:
    strategy = BM25() % 50 >> (Score() % 20 >> Listwise())
    assert isinstance(strategy, Cascade)
    assert strategy == BM25() % 50 >> Score() % 20 >> Listwise()
    assert strategy.name == "bm25 % 50 >> score % 20 >> listwise"
    assert (strategy % 5).name == "bm25 % 50 >> score % 20 >> listwise % 5"
    assert fewest_kept(strategy % 5) == 5
    assert fewest_kept(Score()) is None


def test_each_stage_gets_what_the_one_before_kept() -> None:
    relevance = [0.1, 0.9, 0.2, 0.8, 0.3, 0.7]
    run = drive(Score() % 4 >> Score(prompt="rubric") % 2 >> Listwise(), ["d"] * 6, perfect(relevance))
    assert [[len(call.candidates) for call in calls] for calls in run.rounds] == [[1] * 6, [1] * 4, [2]]
    assert run.order == (1, 3, 5, 4, 2, 0)
    assert run.scores == {}


def test_cut_documents_keep_their_stage_order_and_have_no_score() -> None:
    run = drive(BM25() % 2 >> Score(), ["d"] * 4, perfect([0.1, 0.2, 0.3, 0.4]))
    assert run.order == (3, 2, 1, 0)
    assert set(run.scores) == {2, 3}


def test_a_small_judge_adds_to_the_scorer_before_it() -> None:
    """The scorer is sure of document 0; a judge that sees little difference does not overrule it."""

    def answer(call):
        values = {"bm25": [0.9, 0.2, 0.1], "score": [0.5, 0.6, 0.0]}[call.task]
        return Scores(values=tuple(values[c.index] for c in call.candidates))

    assert drive(BM25() >> Score(), ["d"] * 3, answer).order == (1, 0, 2)
    run = drive(BM25() >> Stage(strategy=Score(), fuse=0.4), ["d"] * 3, answer)
    assert run.order == (0, 1, 2)
    assert all(0 < score < 1 for score in run.scores.values())


def test_a_stage_is_skipped_where_the_scores_are_sure() -> None:
    strategy = BM25() >> Stage(strategy=Score(), when=Unsure(margin=0.3))
    sure = drive(strategy, ["d"] * 3, perfect([0.9, 0.2, 0.1]))
    unsure = drive(strategy, ["d"] * 3, perfect([0.9, 0.8, 0.1]))
    assert (len(sure.rounds), len(unsure.rounds)) == (1, 2)
    docs = [{"text": "a", "score": 0.9}, {"text": "b", "score": 0.1}]
    judge = Judge(FakeBackend('{"score": 5}'))
    ranking = judge.rerank("fleas", docs, Stage(strategy=Score(), when=Unsure(margin=0.3)))
    assert ranking.notes == ("score was skipped, because not unsure of the top 1 by a margin of 0.3",)
    assert ranking.usage.calls == 0


def test_spec_strings() -> None:
    assert spec.parse("bm25 % 50 >> score(batch_size=5) % 20 >> listwise(window_size=10, stride=5)") == (
        BM25() % 50 >> Score(batch_size=5) % 20 >> Listwise(window_size=10, stride=5)
    )
    assert spec.parse("stage(score, fuse=0.5, when=unsure(margin=0.2, top=3)) % 5") == Stage(
        strategy=Score(), fuse=0.5, when=Unsure(margin=0.2, top=3), keep=5
    )
    nested = spec.parse("self-consistent(strategy=listwise(window_size=10), n=2)")
    assert nested == spec.parse("self-consistent(strategy='listwise(window_size=10)', n=2)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bm25 % 0", "keeps nothing"),
        ("bm25 % 'many'", "keeps nothing"),
        ("bm25 % 10 >> score % 20", "cannot keep 20 of the 10"),
        ("bm25 >> scoer", "Did you mean 'score'"),
        ("bm25 >>", "cannot be read"),
        ("bm25 + score", "cannot be read"),
        ("score(5)", "cannot be read"),
        ("stage()", "needs strategy"),
        ("stage(score, when=sure())", "Unknown condition 'sure'"),
        ("stage(score, fuse=2)", "fuse is 2"),
        ("bm25(k=1)", "Unknown option of strategy 'bm25' 'k'"),
        ("__import__('os').system('true')", "cannot be read"),
    ],
)
def test_specs_that_cannot_be(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        spec.parse(text)


def test_stages_that_cannot_be() -> None:
    with pytest.raises(InputError, match="at least one stage"):
        Cascade(())
    with pytest.raises(InputError, match="A stage is Score"):
        BM25() >> Score  # type: ignore[operator]
    with pytest.raises(UnknownName, match="self-consistent"):
        spec.parse("self-consistant")


def test_a_cascade_that_cuts_below_top_n_is_refused_before_anything_is_asked() -> None:
    backend = FakeBackend('{"score": 5}')
    with pytest.raises(InputError, match="keeps only 2"):
        Judge(backend).rerank("q", ["a", "b", "c"], "bm25 % 2 >> score", top_n=3)
    assert not backend.requests


def test_min_score_leaves_out_what_was_cut() -> None:
    ranking = Judge(FakeBackend('{"score": 8}')).rerank(
        "fleas", ["a dog", "fleas", "a cat"], BM25() % 1 >> Score(), min_score=0.5
    )
    assert ranking.order == (1,)
    assert ranking.integrity.cut == (0, 2)
    assert ranking.status == "complete"


def test_unchanged_passes_first_stage_scores_on() -> None:
    docs = [{"text": "a", "score": 3.0}, {"text": "b", "score": 1.0}]
    strategy = Unchanged() >> Stage(strategy=Score(), fuse=0.5)
    ranking = Judge(FakeBackend('{"score": 5}')).rerank("q", docs, strategy)
    assert ranking.order == (0, 1)


@pytest.mark.parametrize("first", [0.3, 0.7318603992462158, 2.3])
@pytest.mark.parametrize("grade", [2, 3, 7, 9, 10])
def test_where_judge_and_prefilter_disagree_about_two_the_prefilters_order_stays(first: float, grade: int) -> None:
    docs = [{"text": "a", "score": first + 0.0738831970}, {"text": "b", "score": first}]

    def reply(request: ChatRequest) -> str:
        assert request.subject is not None
        return f'{{"score": {grade if request.subject.candidates[0].document.text == "b" else grade - 1}}}'

    ranking = Judge(FakeBackend(reply)).rerank("q", docs, Unchanged() >> Stage(strategy=Score(), fuse=0.5))
    assert ranking.order == (0, 1)
    assert ranking[0].relevance_score == ranking[1].relevance_score == 0.5


@pytest.mark.parametrize(
    "text",
    ["score >> " * 5_000, "score" + " % 9" * 4_900, "(" * 19_000, "score >> " * 2_200 + "score", "-" * 19_999],
)
def test_a_spec_string_that_would_take_long_is_refused_at_once(text: str) -> None:
    with soon(), contextlib.suppress(InputError):  # the fourth is long, and a strategy
        spec.parse(text)


def test_the_length_of_a_spec_string_is_bounded() -> None:
    with pytest.raises(InputError, match=r"has 40,005 characters; at most 20,000 are read"):
        spec.parse("score" + " % 9" * 10_000)
