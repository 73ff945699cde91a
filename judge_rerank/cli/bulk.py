"""`judge-rerank bulk`: rank the queries of files, each with its candidates, into Parquet files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from judge_rerank.cli import options
from judge_rerank.cli.decorator import with_options
from judge_rerank.cli.exit_codes import INTERRUPTED, PARTIAL
from judge_rerank.cli.interrupting import interruptible
from judge_rerank.cli.judging import chosen_strategy, opened_budget, places
from judge_rerank.cli.option_groups import JudgeOptions, SpendingOptions
from judge_rerank.cli.options import parameters
from judge_rerank.cli.output import counted, dollars, emit, note, on_stdout
from judge_rerank.core import InputError

if TYPE_CHECKING:
    from judge_rerank.bulk import BulkForecast, BulkProgress, BulkRun, Local, OnRay

_WHERE, _EFFORT = "Where it is done", "Estimate"
_EVERY_S = 5.0


@dataclass(frozen=True, kw_only=True)
class WhereOptions:
    """On which machines it is done."""

    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Work on the Ray cluster at this address; auto for the one that is found, new for one on this "
            "machine.",
            rich_help_panel=_WHERE,
        ),
    ] = None
    local: Annotated[
        bool, typer.Option("--local", help="Work on this machine, without Ray. (default)", rich_help_panel=_WHERE)
    ] = False
    workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Processes that judge. (default: 1, on Ray 2)", rich_help_panel=_WHERE),
    ] = None
    scorers: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="On Ray: processes for the scorers that the strategy begins with; 0 for none of their own.",
            rich_help_panel=_WHERE,
        ),
    ] = 1
    gpus: Annotated[
        float,
        typer.Option(min=0, metavar="N", help="On Ray: graphics cards for each of these.", rich_help_panel=_WHERE),
    ] = 0

    def engine(self) -> Local | OnRay:
        """The workers that are asked for."""
        from judge_rerank.bulk import Local, OnRay

        if self.ray is None:
            return Local(workers=self.workers or 1)
        if self.local:
            raise InputError("--local and --ray exclude each other.")
        return OnRay(address=self.ray, workers=self.workers or 2, scorers=self.scorers, gpus_per_scorer=self.gpus)


@dataclass(frozen=True, kw_only=True)
class EffortOptions:
    """Whether it is only estimated, and by which limits of the provider."""

    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Report calls, tokens, dollars and hours, and send nothing.", rich_help_panel=_EFFORT
        ),
    ] = False
    rpm: Annotated[
        float | None,
        typer.Option(metavar="N", help="Requests that the provider allows per minute.", rich_help_panel=_EFFORT),
    ] = None
    tpm: Annotated[
        float | None,
        typer.Option(metavar="N", help="Tokens that the provider allows per minute.", rich_help_panel=_EFFORT),
    ] = None


@with_options
def bulk(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Parquet, JSONL, CSV or TSV files, folders of them, or folders with a TREC run (candidates.trec, "
            "corpus.jsonl, queries.jsonl); paths, s3:// or gs://.",
        ),
    ],
    judging: JudgeOptions,
    spending: SpendingOptions,
    where: WhereOptions,
    effort: EffortOptions,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="The folder for the results, a path or an address."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in the folder.")] = False,
    top: Annotated[
        int | None,
        typer.Option("--top", "-k", min=1, metavar="N", help="Write only the best documents of each query."),
    ] = None,
    max_usd: options.MaxUsd = None,
    queries_per_part: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Queries that are ranked and written together. (default: 100, in batch jobs 5000)",
            show_default=False,
        ),
    ] = None,
    mode: Annotated[
        Literal["direct", "batch"],
        typer.Option(
            help="batch makes a batch job of each round of a part: about half the price, up to 24 hours a round."
        ),
    ] = "direct",
    batch_fallback: options.BatchFallback = "batch",
) -> None:
    """Rank the queries of files, each with its candidates, into Parquet files.

    judge-rerank bulk candidates.parquet -s score -m openai/gpt-6-luna -o ranked --budget 20 --dry-run

    judge-rerank bulk s3://bucket/candidates/ -s "embedding % 50 >> score" -o ranked --ray auto --workers 8

    An input has the columns query_id, query, doc_id and text, perhaps title and score, with one row a candidate. Or it
    has query_id, query and documents, with one row a query. A run that was interrupted or killed goes on with --resume.
    """
    engine = where.engine()
    asked: Any = {**_asked(judging, spending), "top_n": top, "max_usd": max_usd}
    asked |= {"queries_per_part": queries_per_part} if queries_per_part else {}
    asked |= {"mode": mode, "batch_fallback": batch_fallback} if mode != "direct" else {}
    if effort.dry_run:
        from judge_rerank.bulk import estimate_files

        emit(_forecast(estimate_files(inputs, rpm=effort.rpm, tpm=effort.tpm, **asked), judging.model))
        return
    if output is None:
        raise InputError("There is no folder for the results: -o FOLDER.")
    from judge_rerank.bulk import rerank_files

    progress = _Progress()
    with interruptible() as cancel:
        run = rerank_files(inputs, output, engine=engine, resume=resume, watch=progress.tell, cancel=cancel, **asked)
    _report(run)
    if run.status != "complete":
        raise typer.Exit(INTERRUPTED if cancel.cancelled else PARTIAL)


def _asked(judging: JudgeOptions, spending: SpendingOptions) -> dict[str, Any]:
    """The options of the judge as `rerank_files` takes them."""
    kept = places(spending)
    return {
        "model": judging.model,
        "strategy": chosen_strategy(judging),
        "api": judging.api,
        "transport": judging.transport,
        "api_base": judging.api_base,
        "params": parameters(judging.param or ()),
        "prompts": judging.prompts,
        "concurrency": judging.concurrency,
        "max_tokens_per_doc": judging.max_tokens_per_doc,
        "instruction": judging.instruction,
        "criteria": judging.criteria,
        "budget": opened_budget(spending),
        "prices": spending.prices,
        "cache_dir": kept.replies,
        "store": kept.store,
        # A trace of millions of calls, with all documents, is kept where it is asked for.
        "trace": None if spending.no_trace else spending.trace,
    }


class _Progress:
    """Says now and then how far a run is, on standard error."""

    def __init__(self) -> None:
        self._told = 0.0

    def tell(self, progress: BulkProgress) -> None:
        """Take the news of one part."""
        done = progress.done
        if done.queries < progress.queries and time.monotonic() - self._told < _EVERY_S:
            return
        self._told = time.monotonic()
        rate = progress.queries_per_s
        left = (progress.queries - done.queries) / rate if rate else 0.0
        note(
            f"{done.queries:,} of {counted(progress.queries, 'query', 'queries')} · {dollars(progress.spent_usd)} · "
            f"{rate:.1f} queries per second · {_span(left)} left"
        )


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"


def _report(run: BulkRun) -> None:
    """What came of it, on standard error."""
    total = run.totals
    cost = "price unknown" if total.unpriced else dollars(Decimal(total.cost_usd))
    note(
        f"{counted(total.queries, 'query', 'queries')}, {counted(total.rows, 'row')} in {run.folder}: {cost}, "
        f"{counted(total.calls, 'call')} and {total.cached_calls:,} from the cache, {_span(run.seconds)}."
    )
    if run.empty_texts:
        note(f"{counted(run.empty_texts, 'candidate')} without a text.")
    for reason in run.reasons:
        note(f"{run.status}: {reason}")
    if run.status == "stopped":
        note("The same command with --resume goes on.")


def _forecast(found: BulkForecast, model: str | None) -> str:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    estimate = found.estimate
    whole = found.sampled == found.queries
    rows: Mapping[str, str] = {
        "model": model or "the judge's own",
        "queries": f"{found.queries:,}",
        "candidates": f"{found.rows:,}",
        "estimated on": "all queries" if whole else f"{found.sampled:,} queries, which stand for all",
        "calls": f"{estimate.calls:,}",
        "tokens in": f"{estimate.input_tokens:,}",
        "tokens out, probably": f"{estimate.expected_output_tokens:,}",
        "tokens out, at most": f"{estimate.output_tokens:,}",
        "cost, probably": dollars(estimate.expected_cost_usd),
        "cost, at most": dollars(estimate.cost_usd),
        "time, at least": f"{_span(found.hours * 3_600)} (by {found.bound})",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return on_stdout(table)
