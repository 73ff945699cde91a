"""`judge-rerank calibrate`: fit scores to relevance judgments and keep the fit in a file."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from judge_rerank.cli import options
from judge_rerank.cli.inputs import Inputs
from judge_rerank.cli.judging import Spending, default_trace, open_judge
from judge_rerank.cli.output import counted, emit, on_stdout, report
from judge_rerank.core import InputError
from judge_rerank.learning import Calibration
from judge_rerank.learning import calibrate as fit_calibration
from judge_rerank.readers import read_qrels


def calibrate(
    run: options.Run,
    corpus: options.Corpus,
    queries: options.Queries,
    qrels: Annotated[
        Path, typer.Option(metavar="FILE", help="Grades: qid iter docid grade, or qid docid grade below a header.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the calibration is kept.")],
    min_grade: Annotated[float, typer.Option(metavar="GRADE", help="The lowest grade that is relevant.")] = 1.0,
    unjudged: Annotated[
        Literal["skip", "irrelevant"], typer.Option(help="What documents without a grade count as.")
    ] = "skip",
    query_id: options.QueryIds = None,
    limit: options.Limit = None,
    candidates: options.Depth = None,
    model: options.Model = None,
    strategy: options.Strategy = None,
    prompt: options.Prompt = None,
    prompts: options.Prompts = None,
    explain: options.Explain = False,
    api_base: options.ApiBase = None,
    param: options.Params = None,
    max_tokens_per_doc: options.MaxTokensPerDoc = None,
    passages: options.Passages = None,
    concurrency: options.Concurrency = None,
    budget: options.Budget = None,
    ledger: options.Ledger = None,
    period: options.Period = None,
    prices: options.Prices = None,
    cache: options.Cache = True,
    cache_dir: options.CacheDir = None,
    trace: options.TraceFile = None,
    no_trace: options.NoTrace = False,
    style: Annotated[Literal["table", "json"], typer.Option("--format", "-f")] = "table",
) -> None:
    """Fit a model's scores to relevance judgments, so that 0.8 means that about 80% are relevant.

    judge-rerank calibrate --run bm25.trec --corpus corpus.jsonl --queries queries.jsonl --qrels qrels.tsv -o score.json

    The run is judged, and the file is for: judge-rerank rerank --calibration FILE, with the same model, strategy and
    prompt. The figures are for queries that the fit has not seen (cross-validation over queries).
    """
    inputs = Inputs(
        query=None,
        files=(),
        run=run,
        corpus=corpus,
        queries=queries,
        query_ids=query_id or (),
        limit=limit,
        depth=candidates,
        shuffle=None,
    )
    if not output.expanduser().absolute().parent.is_dir():
        raise InputError(f"There is no folder to keep {output} in; make it first.")
    pairs, grades = inputs.read(), read_qrels(qrels)
    started = time.perf_counter()
    with open_judge(
        model,
        strategy,
        prompt=prompt,
        prompts=prompts,
        explain=explain,
        api_base=api_base,
        params=param or (),
        concurrency=concurrency,
        max_tokens_per_doc=max_tokens_per_doc,
        passages=passages,
        spending=Spending(
            budget=budget,
            ledger=ledger,
            period=period,
            prices=prices,
            cache=cache,
            cache_dir=cache_dir,
            trace=None if no_trace else trace or default_trace(),
        ),
    ) as judge:
        rankings = judge.rerank_many(pairs, min_score=0.0)  # which strategies without scores do not take
    report(rankings, time.perf_counter() - started)
    fitted = fit_calibration(rankings, grades, min_grade=min_grade, unjudged=unjudged)
    fitted.save(output)
    emit(json.dumps(asdict(fitted), indent=2) + "\n" if style == "json" else _as_table(fitted, output))


def _as_table(fitted: Calibration, output: Path) -> str:
    head = (
        f"{fitted.model}, {fitted.strategy}: {counted(fitted.documents, 'document')} of "
        f"{counted(fitted.queries, 'query', 'queries')}, {fitted.relevant:,} relevant; kept in {output}\n"
    )
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("on held-out queries", "before", "after"):
        table.add_column(column, justify="left" if column.startswith("on") else "right", no_wrap=True)
    held_out = fitted.held_out
    table.add_row("expected calibration error", f"{held_out.ece_before:.3f}", f"{held_out.ece_after:.3f}")
    table.add_row("Brier score", f"{held_out.brier_before:.3f}", f"{held_out.brier_after:.3f}")
    return head + on_stdout(table)
