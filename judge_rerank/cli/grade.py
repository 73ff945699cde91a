"""`judge-rerank grade`: relevance judgments by a model, as a qrels file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from judge_rerank.cli import options
from judge_rerank.cli.inputs import Inputs
from judge_rerank.cli.judging import Spending, default_trace, open_judge
from judge_rerank.cli.output import counted, emit, report, warning_line
from judge_rerank.cli.progress import Bar
from judge_rerank.core import InputError
from judge_rerank.evaluation import Grader, Grades, Qrels, qrels_lines
from judge_rerank.readers import read_qrels

_PARTIAL = 3


def grade(
    run: options.Run,
    corpus: options.Corpus,
    queries: options.Queries,
    qrels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Grades that there are: only documents without one are asked about."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the grades here, not to the terminal.")
    ] = None,
    query_id: options.QueryIds = None,
    limit: options.Limit = None,
    candidates: options.Depth = None,
    model: options.Model = None,
    prompt: options.Prompt = None,
    prompts: options.Prompts = None,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Documents a call.")] = 1,
    api_base: options.ApiBase = None,
    param: options.Params = None,
    max_tokens_per_doc: options.MaxTokensPerDoc = None,
    concurrency: options.Concurrency = None,
    budget: options.Budget = None,
    ledger: options.Ledger = None,
    period: options.Period = None,
    prices: options.Prices = None,
    cache: options.Cache = True,
    cache_dir: options.CacheDir = None,
    trace: options.TraceFile = None,
    no_trace: options.NoTrace = False,
) -> None:
    """Grade documents from 0 to 3 as relevance assessors do, where no person has.

    judge-rerank grade -m openai/gpt-4.1 --run bm25.trec --corpus corpus.jsonl --queries queries.jsonl -o llm.qrels

    Writes lines of qid 0 docid grade; a document that got no grade has no line. With --qrels the grades of that file
    are written too, and only the holes in it are filled. One call for each document. See also: judge-rerank agreement.
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
    if output is not None and not output.expanduser().absolute().parent.is_dir():
        raise InputError(f"There is no folder to write {output} in; make it first.")
    pairs, known = inputs.read(), read_qrels(qrels) if qrels is not None else {}
    started = time.perf_counter()
    spending = Spending(
        budget=budget,
        ledger=ledger,
        period=period,
        prices=prices,
        cache=cache,
        cache_dir=cache_dir,
        trace=None if no_trace else trace or default_trace(),
    )
    with (
        open_judge(
            model,
            "none",
            prompts=prompts,
            api_base=api_base,
            params=param or (),
            concurrency=concurrency,
            max_tokens_per_doc=max_tokens_per_doc,
            spending=spending,
        ) as judge,
        Bar(None) as bar,
    ):
        grades = Grader(judge, prompt=prompt, batch_size=batch_size).grade(pairs, known=known, progress=bar.update)
    report(grades.rankings, time.perf_counter() - started)
    _write(_with(known, grades), output)
    if left := sum(map(len, grades.missing.values())):
        warning_line(f"{counted(left, 'document')} got no grade and {'has' if left == 1 else 'have'} no line.")
        raise typer.Exit(_PARTIAL)


def _with(known: Qrels, grades: Grades) -> Qrels:
    """What was known, and what was added to it."""
    queries = dict.fromkeys((*known, *grades.qrels))
    return {query: {**known.get(query, {}), **grades.qrels.get(query, {})} for query in queries}


def _write(qrels: Qrels, output: Path | None) -> None:
    text = qrels_lines(qrels)
    if output is None:
        emit(text)
        return
    try:
        output.expanduser().write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror}.") from error
    count = sum(map(len, qrels.values()))
    emit(f"{counted(count, 'grade')} of {counted(len(qrels), 'query', 'queries')} written to {output}\n")
