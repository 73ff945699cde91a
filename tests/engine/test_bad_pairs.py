"""Many rankings at once, of which one cannot be made: which it was, and what was paid for is not lost."""

from __future__ import annotations

from typing import Any

import pytest

from judge_rerank import InputError, Judge, Ranking, RerankError
from judge_rerank.core import ChatRequest
from judge_rerank.core.errors import AuthenticationError
from judge_rerank.testing import FakeBackend

DOCS = ["sand", "Frank Herbert wrote Dune", "a buggy"]
ORDER = '{"ranking": [2, 1, 3]}'
BAD_PAIRS: list[Any] = [("", DOCS), (None, DOCS), ("q", None), ("q", [None]), ("q",), None, "q", ("q", DOCS, 3)]


def with_bad(bad: Any) -> list[Any]:
    return [("q", DOCS)] * 30 + [bad] + [("q", DOCS)] * 5


@pytest.mark.parametrize("bad", BAD_PAIRS, ids=str)
def test_a_bad_pair_is_named_before_a_call(bad: Any) -> None:
    backend = FakeBackend(ORDER)
    with pytest.raises(InputError, match=r"pairs\[30\]") as caught:
        Judge(backend, strategy="listwise").rerank_many(with_bad(bad))
    assert (caught.value.pair, backend.requests) == (30, [])


@pytest.mark.parametrize("bad", BAD_PAIRS, ids=str)
def test_the_others_are_returned(bad: Any) -> None:
    made = Judge(FakeBackend(ORDER), strategy="listwise").rerank_many(with_bad(bad), on_error="return")
    assert [place for place, each in enumerate(made) if not isinstance(each, Ranking)] == [30]
    assert isinstance(made[30], InputError)


def failing(error: Exception) -> FakeBackend:
    def reply(request: ChatRequest) -> Any:
        return error if "number 5" in request.messages[-1].content else ORDER

    return FakeBackend(reply, concurrency=1)


@pytest.mark.parametrize("error", [AuthenticationError("no such key", model="m"), ValueError("broken backend")])
def test_an_error_in_the_middle_holds_what_was_made(error: Exception) -> None:
    pairs = [(f"number {n}", DOCS) for n in range(12)]
    with pytest.raises(RerankError, match=r"pairs\[5\]") as caught:
        Judge(failing(error), strategy="listwise").rerank_many(pairs)
    assert caught.value.pair == 5
    assert {0, 1, 2, 3, 4} <= set(caught.value.rankings_made)
    made = Judge(failing(error), strategy="listwise").rerank_many(pairs, on_error="return")
    assert [place for place, each in enumerate(made) if isinstance(each, RerankError)] == [5]


def test_an_unknown_choice() -> None:
    with pytest.raises(InputError, match="on_error"):
        Judge(FakeBackend(ORDER)).rerank_many([("q", DOCS)], on_error="ignore")  # pyright: ignore[reportArgumentType]
