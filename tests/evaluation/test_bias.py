"""Position bias: what is measured of judges whose bias is known."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from judge_rerank import InputError, Judge
from judge_rerank.core import Choice, Failed, JudgeCall, Order, Outcome
from judge_rerank.core.backend import ChatRequest
from judge_rerank.evaluation.bias import BiasProbe, PositionBias, measured_bias, position_bias
from judge_rerank.testing import FakeBackend, drive, perfect


def probed(answer: Callable[[JudgeCall], Outcome], n: int = 20, **options: object) -> PositionBias:
    probe = BiasProbe(**options)  # pyright: ignore[reportArgumentType]
    run = drive(probe, ["d"] * n, answer)
    assert list(run.order) == list(range(n))
    assert len(run.rounds) == 1
    return measured_bias(probe.trials)


def first_shown(call: JudgeCall) -> Outcome:
    n = len(call.candidates)
    return Choice(label=call.options[0]) if call.options else Order(order=tuple(range(n)), stated=n)


def test_a_fair_judge_has_no_flips() -> None:
    bias = probed(perfect([index / 20 for index in range(20)]))
    assert (bias.answers, bias.failed, bias.pairs) == (2 * 6, 0, 2 * 45)
    assert bias.flip_rate == 0
    assert bias.first_rate == pytest.approx(0.5)
    assert all(rate.flip_rate == 0 for rate in bias.by_position)
    assert sum(rate.chosen for rate in bias.by_position) == pytest.approx(1)


@pytest.mark.parametrize("task", ["listwise", "first", "setwise", "pairwise"])
def test_a_judge_that_takes_the_first_always_flips(task: str) -> None:
    bias = probed(first_shown, task=task)
    assert bias.flip_rate == bias.first_rate == 1
    first, *others = bias.by_position
    assert first.position == 1
    assert first.chosen == 1
    assert first.mean_rank == 0
    assert all(rate.chosen == 0 for rate in others)
    assert len(bias.by_position) == (2 if task == "pairwise" else 10)


def test_flips_are_told_by_position() -> None:
    """Fair, except that what stands at the fourth position is always put last."""
    truth = [index / 10 for index in range(10)]

    def hates_the_fourth(call: JudgeCall) -> Outcome:
        places = sorted(range(10), key=lambda place: (place == 3, -truth[call.candidates[place].index]))
        return Order(order=tuple(places), stated=10)

    bias = probed(hates_the_fourth, n=10, shuffles=20)
    by_position = {rate.position: rate for rate in bias.by_position}
    assert max(by_position, key=lambda position: by_position[position].flip_rate) == 4
    assert by_position[4].mean_rank == 1
    assert by_position[4].chosen == 0


def test_a_judge_that_draws_lots_flips_half_of_the_time() -> None:
    dice = random.Random(0)
    bias = probed(lambda call: Order(order=tuple(dice.sample(range(10), 10)), stated=10), n=200)
    assert bias.flip_rate == pytest.approx(0.5, abs=0.08)
    assert bias.first_rate == pytest.approx(0.5, abs=0.05)


def test_failures_are_counted_and_nothing_else() -> None:
    bias = probed(lambda _call: Failed(reason="refused", message="no"))
    assert (bias.answers, bias.failed, bias.pairs, bias.flip_rate, bias.by_position) == (0, 12, 0, 0.0, ())


def test_queries_are_kept_apart() -> None:
    probe = BiasProbe(shuffles=0)
    drive(probe, ["d"] * 2, perfect([1.0, 0.0]), query="one")
    drive(probe, ["d"] * 2, perfect([0.0, 1.0]), query="two")
    assert measured_bias(probe.trials).flip_rate == 0
    assert measured_bias(probe.trials).pairs == 2


def test_through_a_judge() -> None:
    def last_shown(request: ChatRequest) -> str:
        assert request.subject is not None
        return json.dumps({"ranking": list(range(len(request.subject.candidates), 0, -1))})

    with Judge(FakeBackend(last_shown)) as judge:
        bias = position_bias(judge, [("one", ["a", "b", "c"]), ("two", ["d", "e", "f"])])
    assert (bias.answers, bias.pairs, bias.flip_rate, bias.first_rate) == (12, 6, 1, 0)
    assert [rate.chosen for rate in bias.by_position] == [0, 0, 1]


@pytest.mark.parametrize("options", [{"task": "score"}, {"window_size": 1}, {"shuffles": -1}])
def test_options_out_of_range(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match="is "):
        BiasProbe(**options)  # pyright: ignore[reportArgumentType]
