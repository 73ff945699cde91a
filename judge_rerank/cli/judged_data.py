"""A collection with relevance judgments, as commands that fit to one take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from judge_rerank.cli import options

if TYPE_CHECKING:
    from judge_rerank.evaluation import Dataset

_PANEL = "Data to fit"


@dataclass(frozen=True, kw_only=True)
class JudgedData:
    """Queries with candidates and grades, and what is maximised on them."""

    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="PATH",
            help="A folder with corpus.jsonl, queries.jsonl, qrels.tsv and candidates.trec, JSONL, or ir_datasets:ID.",
            rich_help_panel=_PANEL,
        ),
    ]
    metric: Annotated[
        str,
        typer.Option(metavar="NAME", help="The metric to maximise, by its ir-measures name.", rich_help_panel=_PANEL),
    ] = "nDCG@10"
    min_grade: Annotated[
        float,
        typer.Option(
            metavar="GRADE",
            help="The lowest grade that is relevant: 2 in TREC's Deep Learning tracks.",
            rich_help_panel=_PANEL,
        ),
    ] = 1.0
    seed: Annotated[
        int,
        typer.Option(metavar="N", help="The seed of the order in which candidates are given.", rich_help_panel=_PANEL),
    ] = 1
    limit: options.Limit = None
    candidates: options.Depth = None

    def read(self) -> Dataset:
        """The queries that have a relevant candidate.

        Raises:
            DataError: the data cannot be read, or no query has one.
        """
        from judge_rerank.evaluation import load, selected

        dataset, _ = selected(
            load(self.data),
            queries=self.limit,
            depth=self.candidates,
            min_grade=self.min_grade,
            no_relevant="skip",
        )
        return dataset

    @property
    def measure(self) -> str:
        """The metric by its whole name: one that knows only relevant and not gets the lowest grade that is."""
        from judge_rerank.evaluation import Metrics

        return Metrics([self.metric], min_grades=[self.min_grade]).names[0]
