"""`judge-rerank rerank`: rank documents and print them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from judge_rerank.cli import options
from judge_rerank.cli.decorator import with_options
from judge_rerank.cli.exit_codes import INTERRUPTED, of_rankings
from judge_rerank.cli.inputs import Inputs, Pair
from judge_rerank.cli.interrupting import interruptible
from judge_rerank.cli.judging import open_judge
from judge_rerank.cli.option_groups import JudgeOptions, SpendingOptions
from judge_rerank.cli.output import Format, as_text, emit, findings, report
from judge_rerank.cli.progress import Bar
from judge_rerank.core import InputError, Ranking

if TYPE_CHECKING:
    from judge_rerank.engine import RankKeywords
    from judge_rerank.judge import Judge

_OUTPUT = "Output"
_ROWS = 10
_MOST_FORECAST = 500
"""Documents up to which the bar's total is forecast; beyond that the forecast would be a wait of its own."""

_Top = Annotated[
    int | None,
    typer.Option(
        "--top",
        "-k",
        min=1,
        metavar="N",
        help="Print only the best N documents. (default: 10 in a table, all in other formats)",
        show_default=False,
        rich_help_panel=_OUTPUT,
    ),
]
_MinScore = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        metavar="SCORE",
        help="Leave out documents below this score. Their number is reported on standard error.",
        rich_help_panel=_OUTPUT,
    ),
]


@with_options
def rerank(
    inputs: Inputs,
    judging: JudgeOptions,
    spending: SpendingOptions,
    calibration: options.CalibrationFile = None,
    deadline: options.Deadline = None,
    max_usd: options.MaxUsd = None,
    top: _Top = None,
    min_score: _MinScore = None,
    scores: options.Scores = None,
    answerable: options.Answerable = False,
    keep: options.Keep = None,
    mode: options.Mode = "direct",
    batch_fallback: options.BatchFallback = "batch",
    style: Annotated[
        Format,
        typer.Option(
            "--format",
            "-f",
            help="json has everything. jsonl has one line per document, and this command can read it again.",
            rich_help_panel=_OUTPUT,
        ),
    ] = "table",
) -> None:
    """Put documents in order, best first.

    judge-rerank rerank -q "how long do fleas live" passages.jsonl -m openai/gpt-6-luna

    judge-rerank rerank -q "how are sessions stored" docs/ README.md --explain

    judge-rerank rerank --run bm25.trec --corpus corpus.jsonl --queries queries.jsonl -f trec

    Keys come from the environment, under the provider's names (OPENAI_API_KEY).
    """
    pairs = inputs.read()
    if style == "trec":
        _check_ids(pairs)
    with open_judge(judging, spending, calibration=calibration) as judge:
        rows = _ROWS if top is None else None
        printer = _Printer(style=style, many=inputs.many, explain=judging.explain, rows=rows)
        asked: RankKeywords = {
            "top_n": top,
            "min_score": min_score,
            "deadline_s": deadline,
            "max_usd": max_usd,
            "scores": scores,
            "answerable": answerable,
            "keep": keep,
            "mode": mode,
            "batch_fallback": batch_fallback,
        }
        code = _ranked(judge, pairs, printer, asked)
    if code:
        raise typer.Exit(code)


class _Printer:
    """Writes rankings as they come."""

    def __init__(self, *, style: Format, many: bool, explain: bool, rows: int | None) -> None:
        self._style: Format = style
        self._rows = rows
        self._many, self._explain = many, explain
        self._first = True

    def write(self, ranking: Ranking) -> None:
        """Write one ranking at once."""
        text = as_text(ranking, self._style, many=self._many, explain=self._explain, rows=self._rows)
        if self._style == "json" and self._many:
            text = ("[" if self._first else ",") + "\n" + text.rstrip()
        self._first = False
        emit(text)

    def end(self) -> None:
        """Close what `write` has opened."""
        if self._style == "json" and self._many and not self._first:
            emit("\n]\n")


def _ranked(judge: Judge, pairs: Sequence[Pair], printer: _Printer, asked: RankKeywords) -> int:
    """Rank and print; returns the exit code."""
    started = time.perf_counter()
    rankings: list[Ranking] = []
    try:
        with interruptible() as cancel, Bar(_forecast(judge, pairs, asked)) as bar:

            async def stream() -> None:
                watched: RankKeywords = {**asked, "progress": bar.update, "cancel": cancel}
                async for ranking in judge.arerank_many(pairs, **watched):
                    rankings.append(ranking)
                    with bar.paused():
                        printer.write(ranking)

            asyncio.run(stream())
    finally:
        # What an error leaves behind was paid for, and is told.
        printer.end()
        report(rankings, time.perf_counter() - started)
        findings(rankings, answerable=asked.get("answerable", False) or asked.get("keep") is not None)
    if cancel.cancelled:
        return INTERRUPTED
    return of_rankings(rankings)


def _forecast(judge: Judge, pairs: Sequence[Pair], asked: RankKeywords) -> int | None:
    """How many calls it will be, where somebody watches and it is quickly known."""
    if not Bar.visible() or sum(len(documents) for _, documents in pairs) > _MOST_FORECAST:
        return None
    # None where only scorers are asked: a bar of no calls would tell nothing.
    answerable = asked.get("answerable", False)
    return sum(judge.estimate(query, documents, answerable=answerable).calls for query, documents in pairs) or None


def _check_ids(pairs: Sequence[Pair]) -> None:
    """A TREC run needs ids that are one word and differ; better said before anything is spent."""
    for _, documents in pairs:
        ids = [document.id or str(place) for place, document in enumerate(documents)]
        for found in ids:
            if len(found.split()) != 1:
                raise InputError(
                    f"The document id {found!r} contains a space, which a TREC run does not allow; use --format jsonl."
                )
        if len(set(ids)) < len(ids):
            twice = next(found for place, found in enumerate(ids) if found in ids[:place])
            raise InputError(f"Two documents have the id {twice!r}; a TREC run needs ids that differ.")
