"""Rankings as text: what stands where, how wide it gets, and what documents cannot do to a terminal."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from judge_rerank.cli.first_stage import by_bm25, distinct
from judge_rerank.cli.output import dollars, jsonl, order_reasons, printable, ranking_table, report, summary
from judge_rerank.core import Document, Integrity, Judgment, Query, RankedDocument, Ranking, Usage


def ranking(*documents: Document, judgment: Judgment | None = None, score: float | None = None) -> Ranking:
    """The documents in reverse order."""
    results = [
        RankedDocument(
            rank=rank,
            index=len(documents) - rank,
            relevance_score=score,
            document=document,
            judgments=(judgment,) if judgment else (),
        )
        for rank, document in enumerate(reversed(documents), start=1)
    ]
    return Ranking(results, query=Query(text="q", id="7"), strategy="score", model="m")


def drawn(found: Ranking, width: int, *, explain: bool = False) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(ranking_table(found, width=width, many=True, explain=explain))
    return captured.get()


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text(max_size=300), min_size=1, max_size=4),
    title=st.none() | st.text(max_size=200),
    width=st.integers(44, 160),
    score=st.none() | st.floats(0, 1),
)
def test_no_line_is_wider_than_the_terminal(
    texts: list[str], title: str | None, width: int, score: float | None
) -> None:
    judgment = Judgment(stage="score", round=1, label="7\x1b[2J", reason=texts[0])
    found = ranking(*(Document(text=text, title=title) for text in texts), judgment=judgment, score=score)
    text = drawn(found, width, explain=True)
    assert all(cell_len(line) <= width for line in text.split("\n"))
    assert not any(ord(character) < 32 for character in text.replace("\n", ""))


def test_markup_in_documents_is_text() -> None:
    assert "[red]not red[/red] [/]" in drawn(ranking(Document(text="[red]not red[/red] [/]")), 80)


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert printable("a\x1b[31m\r\n b\u202ec\x00") == "a[31m bc"


def test_moves_scores_and_verdicts() -> None:
    judgment = Judgment(stage="score", round=1, failure="refused")
    lines = drawn(ranking(Document(text="a"), Document(text="b"), judgment=judgment, score=0.5), 80).splitlines()
    rows = [line.split() for line in lines]
    assert ["1", "1", "↑1", "0.500", "b", "refused"] in rows
    assert ["2", "0", "↓1", "0.500", "a", "refused"] in rows


def test_jsonl_puts_the_rankings_own_keys_first() -> None:
    document = Document(text="a", id="x", metadata={"rank": 99, "page": 3})
    (line,) = jsonl(ranking(document), explain=False).splitlines()
    record = json.loads(line)
    assert list(record) == ["query_id", "rank", "index", "relevance_score", "id", "text", "page"]
    assert record["rank"] == 1


def test_a_reason_for_an_order_is_given_once() -> None:
    judgment = Judgment(stage="listwise", round=2, position=1, window=(0, 1), reason="by date")
    found = ranking(Document(text="a"), Document(text="b"), judgment=judgment)
    assert order_reasons(found) == ["round 2: by date"]
    assert "by date" not in drawn(found, 80, explain=True)


def test_the_summary_adds_queries_up() -> None:
    def one(cost: str | None) -> Ranking:
        usage = Usage(calls=2, rounds=3, input_tokens=1000, output_tokens=5, cost_usd=Decimal(cost) if cost else None)
        integrity = Integrity(repaired=1, failed={"refused": 1}, truncated=(4,))
        return Ranking((), query=Query(text="q"), strategy="score", model="m", usage=usage, integrity=integrity)

    first, second = summary([one("0.001"), one("0.0002")], 1.25).splitlines()
    assert first == "score by m · 2 queries · 4 calls in 3 rounds · 2,000 tokens in, 10 out · $0.0012 · 1.2 s"
    assert second == "integrity: 2 replies repaired, 2 calls without a judgment (refused), 2 documents cut to fit"
    assert "price unknown" in summary([one("0.001"), one(None)], 1)


@pytest.mark.parametrize(
    ("cost", "shown"),
    [("0", "$0"), ("0.00001234", "$0.000012"), ("0.5", "$0.50"), ("12.346", "$12.35"), ("1234", "$1234.00")],
)
def test_prices_keep_two_significant_digits(cost: str, shown: str) -> None:
    assert dollars(Decimal(cost)) == shown


def test_bm25_orders_by_shared_words_and_keeps_ties_in_order() -> None:
    documents = [Document(text=text) for text in ("sand", "the Dune novel", "stone", "dune")]
    picked = by_bm25("Dune novel", documents, 3)
    assert [document.text for document in picked] == ["the Dune novel", "dune", "sand"]
    assert picked[2].score == 0.0
    assert by_bm25("zebra", documents, 2) == [
        Document(text="sand", score=0.0),
        Document(text="the Dune novel", score=0.0),
    ]
    assert by_bm25("?", documents, 1)[0].text == "sand"
    assert by_bm25("a", [], 3) == []


def test_repeated_texts_are_kept_once_where_they_stood_first() -> None:
    documents = [Document(text=text, id=str(n)) for n, text in enumerate("abac")]
    assert [document.id for document in distinct(documents)] == ["0", "1", "3"]


def test_reasons_that_differ_only_in_their_numbers_are_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    def partial(documents: int, spent: str) -> Ranking:
        reason = f"budget: the last judgment of {documents} documents was not asked for ($0.00{spent} of $1 spent)"
        return Ranking((), query=Query(text="q"), strategy="score", status="partial", reasons=(reason,))

    report([partial(8, "12"), partial(10, "13"), partial(1, "14"), partial(8, "12")])
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1
    assert "8 documents" in warnings[0]
    assert "(4 rankings, all alike but for the numbers)" in warnings[0]
    report([partial(8, "12"), partial(8, "12")])
    assert capsys.readouterr().err.splitlines()[-1].endswith("spent) (2 rankings)")


def test_rankings_by_several_strategies_are_not_called_queries() -> None:
    made = [Ranking((), query=Query(text="q"), strategy=name) for name in ("bm25", "score", "score")]
    assert summary(made).startswith("2 strategies · 3 rankings · ")
