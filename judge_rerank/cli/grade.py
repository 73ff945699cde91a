"""`judge-rerank grade`: relevance judgments by a model, as a qrels file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from judge_rerank.cli import options
from judge_rerank.cli.decorator import with_options
from judge_rerank.cli.exit_codes import PARTIAL, of_rankings
from judge_rerank.cli.inputs import RunInputs
from judge_rerank.cli.judging import open_judge
from judge_rerank.cli.option_groups import ModelOptions, SpendingOptions
from judge_rerank.cli.output import counted, emit, report, require_folder, warning_line
from judge_rerank.cli.progress import Bar
from judge_rerank.core import InputError
from judge_rerank.evaluation import Grader, Grades, Qrels, qrels_lines
from judge_rerank.readers import read_qrels


@with_options
def grade(
    inputs: RunInputs,
    judging: ModelOptions,
    spending: SpendingOptions,
    qrels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Existing grades. Only documents without a grade are graded."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The file for the grades, instead of the terminal."),
    ] = None,
    prompt: options.Prompt = None,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Documents per call.")] = 1,
) -> None:
    """Grade documents from 0 to 3, as relevance assessors do.

    judge-rerank grade -m openai/gpt-4.1 --run bm25.trec --corpus corpus.jsonl --queries queries.jsonl -o llm.qrels

    Writes lines of the form qid 0 docid grade. A document that got no grade has no line. With --qrels, the grades of
    that file are written too, and only missing grades are added. Each document costs one call. If more than half of the
    first calls give no grade, the command stops. See also: judge-rerank agreement.
    """
    if output is not None:
        require_folder(output)
    pairs, known = inputs.read(), read_qrels(qrels) if qrels is not None else {}
    started = time.perf_counter()
    with (
        open_judge(judging, spending, strategy="none") as judge,
        Bar(None) as bar,
    ):
        grades = Grader(judge, prompt=prompt, batch_size=batch_size).grade(pairs, known=known, progress=bar.update)
    report(grades.rankings, time.perf_counter() - started)
    _write(_with(known, grades), output)
    if grades.stopped:
        warning_line(grades.stopped)
    if left := sum(map(len, grades.missing.values())):
        warning_line(f"{counted(left, 'document')} got no grade and {'has' if left == 1 else 'have'} no line.")
        raise typer.Exit(of_rankings(grades.rankings) or PARTIAL)


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
    graded = sum(bool(grades) for grades in qrels.values())
    emit(f"{counted(count, 'grade')} of {counted(graded, 'query', 'queries')} written to {output}\n")
