"""`judge-rerank calibrate`: fit scores to relevance judgments and keep the fit in a file."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from judge_rerank.cli.decorator import with_options
from judge_rerank.cli.inputs import RunInputs
from judge_rerank.cli.judging import open_judge
from judge_rerank.cli.option_groups import JudgeOptions, SpendingOptions
from judge_rerank.cli.output import counted, emit, left_out, on_stdout, report, require_folder, warning_line
from judge_rerank.cli.terminal import head_table
from judge_rerank.learning import Calibration, twins
from judge_rerank.learning import calibrate as fit_calibration
from judge_rerank.readers import read_qrels


@with_options
def calibrate(
    inputs: RunInputs,
    judging: JudgeOptions,
    spending: SpendingOptions,
    qrels: Annotated[
        Path, typer.Option(metavar="FILE", help="Grades: qid iter docid grade, or qid docid grade below a header.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write the calibration to.")
    ],
    min_grade: Annotated[float, typer.Option(metavar="GRADE", help="The lowest grade that is relevant.")] = 1.0,
    unjudged: Annotated[
        Literal["skip", "irrelevant"], typer.Option(help="How documents without a grade count.")
    ] = "skip",
    answerable: Annotated[
        bool,
        typer.Option(
            "--answerable",
            help="Also fit the probability that any document answers: every query is judged again without its relevant "
            "documents. Replies that are cached are not asked for again.",
        ),
    ] = False,
    style: Annotated[Literal["table", "json"], typer.Option("--format", "-f")] = "table",
) -> None:
    """Fit a model's scores to relevance judgments, so that about 80% of the documents with a score of 0.8 are relevant.

    judge-rerank calibrate --run bm25.trec --corpus corpus.jsonl --queries queries.jsonl --qrels qrels.tsv -o score.json

    The model judges the run. Use the file with the same model, strategy and prompt: judge-rerank rerank --calibration
    FILE. The figures are for queries that the fit has not seen (cross-validation over queries). Partial rankings are
    left out. If they are more than a fifth, nothing is fitted.

    Exit codes: 3 too many rankings are partial, 4 the provider failed.
    """
    from judge_rerank.evaluation import CompleteRuns

    require_folder(output)
    pairs, grades = inputs.read(), read_qrels(qrels)
    started = time.perf_counter()
    with open_judge(judging, spending) as judge:
        runs = CompleteRuns(judge, pairs)
        runs.run(None, min_score=0.0)  # which strategies without scores do not take
        without = CompleteRuns(judge, twins(pairs, grades, min_grade=min_grade) if answerable else ())
        without.run(None)
    report([*runs.rankings, *without.rankings], time.perf_counter() - started)
    fitted = fit_calibration(runs.rankings, grades, min_grade=min_grade, unjudged=unjudged, twins=without.rankings)
    if answerable and fitted.answering is None:
        warning_line("whether anything answers was not fitted: no query has relevant documents and others beside them.")
    fitted.save(output)
    left_out(fitted.left_out)
    emit(json.dumps(asdict(fitted), indent=2) + "\n" if style == "json" else _as_table(fitted, output))


def _as_table(fitted: Calibration, output: Path) -> str:
    head = (
        f"{fitted.model}, {fitted.strategy}: {counted(fitted.documents, 'document')} of "
        f"{counted(fitted.queries, 'query', 'queries')}, {fitted.relevant:,} relevant; kept in {output}\n"
    )
    table = head_table()
    for column in ("on held-out queries", "before", "after"):
        table.add_column(column, justify="left" if column.startswith("on") else "right", no_wrap=True)
    held_out = fitted.held_out
    table.add_row("expected calibration error", f"{held_out.ece_before:.3f}", f"{held_out.ece_after:.3f}")
    table.add_row("Brier score", f"{held_out.brier_before:.3f}", f"{held_out.brier_after:.3f}")
    if (answering := fitted.answering) is not None:
        held_out = answering.held_out
        table.add_row("answerable: calibration error", f"{held_out.ece_before:.3f}", f"{held_out.ece_after:.3f}")
        table.add_row("answerable: Brier score", f"{held_out.brier_before:.3f}", f"{held_out.brier_after:.3f}")
        head += (
            f"answerable: {counted(answering.answered, 'list')} with a relevant document, {answering.unanswered:,} "
            f"without; AUROC {answering.auroc:.3f}\n"
        )
    return head + on_stdout(table)
