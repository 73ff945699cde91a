"""`judge-rerank agreement`: how far a model's relevance grades agree with people's."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from judge_rerank.cli.output import counted, emit, on_stdout
from judge_rerank.cli.terminal import head_table
from judge_rerank.core import InputError
from judge_rerank.evaluation import Agreement, Metrics, kendalls_tau, measure_agreement, shared, system_scores
from judge_rerank.readers import read_qrels, read_run

Systems = dict[str, tuple[float, float]]


def agreement(
    human: Annotated[Path, typer.Option(metavar="FILE", help="Grades that people gave (qrels).")],
    llm: Annotated[Path, typer.Option(metavar="FILE", help="Grades that a model gave (judge-rerank grade).")],
    min_grade: Annotated[float, typer.Option(metavar="GRADE", help="The lowest grade that is relevant.")] = 2.0,
    run: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help=(
                "A system's TREC run. With two or more, the command also reports whether the systems keep their order."
            ),
        ),
    ] = None,
    metric: Annotated[str, typer.Option(metavar="NAME", help="The metric that orders the systems.")] = "nDCG@10",
    style: Annotated[Literal["table", "json"], typer.Option("--format", "-f")] = "table",
) -> None:
    """Report how far a model's relevance grades agree with people's.

    judge-rerank agreement --human qrels.tsv --llm llm.qrels --run bm25.trec --run reranked.trec

    Prints Cohen's kappa for the documents that both graded, once for the grades and once for relevant or not. A kappa
    of 1 is full agreement, 0 is chance. With two runs or more, it also prints Kendall's tau between the two orders of
    the systems. Systems are scored on the queries and documents that both graded; all other documents count as not
    relevant.
    """
    people, model = read_qrels(human), read_qrels(llm)
    found = measure_agreement(people, model, min_grade=min_grade)
    runs = {path.stem: _run(path) for path in run or ()}
    if len(runs) < len(run or ()) or len(runs) == 1:
        raise InputError("--run needs two or more systems, in files of different names.")
    tau: float | None = None
    systems: Systems = {}
    if runs:
        by_people, by_model = (
            system_scores(runs, grades, metric, min_grade=min_grade) for grades in shared(people, model)
        )
        (metric,) = Metrics([metric], min_grades=[min_grade]).names
        tau = kendalls_tau(by_people, by_model)
        systems = {name: (by_people[name], by_model[name]) for name in runs}
    if style == "json":
        values = asdict(found) | {"metric": metric, "systems": systems, "tau": tau}
        emit(json.dumps(values, indent=2) + "\n")
    else:
        emit(_as_tables(found, metric, systems, tau))


def _run(path: Path) -> dict[str, list[str]]:
    return {query: [entry.document_id for entry in entries] for query, entries in read_run(path).items()}


def _as_tables(found: Agreement, metric: str, systems: Systems, tau: float | None) -> str:
    head = (
        f"{counted(found.documents, 'document')} of {counted(found.queries, 'query', 'queries')} graded by both "
        f"({found.only_human:,} by people only, {found.only_model:,} by the model only)\n"
        f"Cohen's kappa {_kappa(found.kappa)} over the grades, {_kappa(found.kappa_binary)} over relevant "
        f"(from {found.min_grade:g}) or not; the same grade: {found.same:.1%}; "
        f"mean grade {found.mean_human:.2f} by people, {found.mean_model:.2f} by the model\n"
    )
    table = head_table()
    table.add_column("people ↓ model →", no_wrap=True)
    for level in found.levels:
        table.add_column(f"{level:g}", justify="right", no_wrap=True)
    for level, row in zip(found.levels, found.confusion, strict=True):
        table.add_row(f"{level:g}", *(f"{count:,}" for count in row))
    if found.kappa_binary is None and found.documents > 1:
        head += f"From grade {found.min_grade:g} on (--min-grade) both find all of them relevant, or none.\n"
    text = head + on_stdout(table)
    if tau is None:
        return text
    scores = head_table()
    for column in (metric, "by people", "by the model"):
        scores.add_column(column, justify="left" if column == metric else "right", no_wrap=True)
    for name, (by_people, by_model) in sorted(systems.items(), key=lambda item: -item[1][0]):
        scores.add_row(name, f"{by_people:.4f}", f"{by_model:.4f}")
    over = f"{counted(found.queries, 'query', 'queries')} and {counted(found.documents, 'document')} graded by both"
    return f"{text}\n{on_stdout(scores)}Kendall's tau of the two orders: {tau:.3f}, over {over}\n"


def _kappa(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
