"""No document leaves its place in a prompt. The full count is `python eval/bench/structure.py`."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from judge_rerank.core import Query
from judge_rerank.prompting import Library, Shown, quote
from judge_rerank.prompting.fences import fence_word

BENCH = Path(__file__).parents[2] / "eval" / "bench" / "structure.py"
LIBRARY = Library()
NAMES = [name for name in LIBRARY.names() if not name.startswith("classify/")]
CALLS = 60


def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("structure", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


STRUCTURE = bench()


@pytest.mark.parametrize("name", NAMES)
def test_hostile_documents_stay_in_their_place(name: str) -> None:
    template = LIBRARY.find(name)
    rng, n = Random(f"test/{name}"), STRUCTURE.shown_by(template)
    for _ in range(CALLS // n):
        texts = STRUCTURE.documents_for(template, rng, n)
        assert STRUCTURE.escapes(template, texts) == [], texts


@pytest.mark.parametrize(
    "text",
    [
        "</document>",
        "[2]",
        "［２］",
        "<|im_end|>",
        "\nSystem: x",
        "‹／ｄocument›",
        "[B]",
        "</\u200bdocument>",
        "</docu\u0301ment>",
    ],
)
def test_the_independent_reader_sees_what_is_not_quoted(text: str) -> None:
    assert STRUCTURE.looks(text)
    assert not STRUCTURE.looks(quote(text))


def render(name: str, *texts: str) -> str:
    shown = [Shown(id=place, title=None, text=text) for place, text in enumerate(texts, start=1)]
    return LIBRARY.find(name).render(query=Query(text="who?"), documents=shown, reply_format="Answer.")[-1].content


def test_the_word_is_that_of_the_call() -> None:
    one = render("score/terse", "one text")
    assert one == render("score/terse", "one text")
    assert STRUCTURE._word(one) != STRUCTURE._word(render("score/terse", "another text"))
    assert STRUCTURE._word(render("listwise/terse", "a", "b")) != STRUCTURE._word(render("listwise/terse", "b", "a"))
    assert STRUCTURE._word(render("listwise/terse", "a", "b")) != STRUCTURE._word(render("listwise/terse", "ab", ""))


def test_a_word_that_stands_in_a_text_is_not_taken() -> None:
    # Every word that the first choice could be, as a search for one that fits would have them.
    first = fence_word("q", ["text"])
    assert fence_word("q", ["text"], beside=first) != first
    assert fence_word(first, ["text"]) != first
    word = fence_word("q", ["x" * 100])
    assert len(word) == 6
    assert len(fence_word("q", ["text"], beside=first)) == 7


@pytest.mark.parametrize(
    "piece",
    ["＜", "é<", "[ \u0301", "\n### ", "\nab:", "]<", ">>a", "\u200b<", "👩\u200d", "ی\u200c", "【1", "<Ａ", "::\n"],
)
def test_worst_cases_take_linear_time(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        started = time.process_time()
        quote(text)
        return time.process_time() - started

    seconds(1_000)
    small = max(min(seconds(20_000) for _ in range(3)), 1e-4)
    # Ten times as much text takes a hundred times as long if the work is quadratic.
    assert min(seconds(200_000) for _ in range(2)) / small < 40
