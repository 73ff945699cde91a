"""`judge-rerank data`: what is in a dataset, and whether its parts fit together."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Literal

import typer
from rich.table import Table

from judge_rerank.cli.output import emit, on_stdout

app = typer.Typer(no_args_is_help=True, help="Check and describe datasets for evaluation.")


@app.callback()
def data() -> None:
    """Check and describe datasets for evaluation."""


@app.command("summary")
def summary(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help=(
                "A folder with corpus.jsonl, queries.jsonl, qrels.tsv and candidates.trec; a JSONL file of queries "
                "with candidates; or ir_datasets:ID."
            ),
        ),
    ],
    corpus: Annotated[
        str | None, typer.Option(metavar="FILE", help="The file of the documents, if it has another name.")
    ] = None,
    topics: Annotated[
        str | None, typer.Option(metavar="FILE", help="The file of the queries, if it has another name.")
    ] = None,
    qrels: Annotated[
        str | None, typer.Option(metavar="FILE", help="The file of the judgments, if it has another name.")
    ] = None,
    run: Annotated[
        str | None, typer.Option(metavar="FILE", help="The run of the first stage, if it has another name.")
    ] = None,
    min_grade: Annotated[float, typer.Option(metavar="GRADE", help="The lowest grade that is relevant.")] = 1.0,
    style: Annotated[Literal["table", "json"], typer.Option("--format", "-f")] = "table",
) -> None:
    """Check that the queries, candidates and judgments of a dataset fit together, and describe it."""
    from judge_rerank.evaluation import Files, load, overview

    dataset = load(path, files=Files(corpus=corpus, topics=topics, qrels=qrels, run=run))
    found = overview(dataset, min_grade=min_grade)
    grades = {"none" if grade is None else f"{grade:g}": count for grade, count in found.grades.items()}
    if style == "json":
        emit(json.dumps({"name": dataset.name} | asdict(found) | {"grades": grades}, indent=2) + "\n")
        return
    fewest, median, most = found.candidates
    rows = {
        "queries": f"{found.queries:,}",
        "different candidates": f"{found.documents:,}",
        "candidates of a query": f"{fewest} to {most}, median {median}",
        "words of a candidate, mean": f"{found.words:.0f}",
        **{
            f"candidates of grade {grade}" if grade != "none" else "candidates without a grade": f"{count:,}"
            for grade, count in grades.items()
        },
        f"queries without a candidate of grade {min_grade:g} or more": f"{found.no_relevant:,}",
        "queries without any candidate": f"{found.no_candidates:,}",
        "queries without any judgment": f"{found.no_judgment:,}",
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows.items():
        table.add_row(name, value)
    emit(f"{dataset.name}\n" + on_stdout(table))
