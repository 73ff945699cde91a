"""The options that commands share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from judge_rerank.cli import completion
from judge_rerank.core import InputError
from judge_rerank.strategies import strategy_names

_INPUT, _JUDGE, _SPEND = "Input", "The judge", "Cost and storage"

Query = Annotated[
    str | None,
    typer.Option(
        "--query", "-q", metavar="TEXT", help="The query that the documents are judged against.", rich_help_panel=_INPUT
    ),
]
Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILES",
        help=(
            "JSONL, CSV, TSV or Parquet files (text; optional id, title, score), text or Markdown files, folders of "
            "these, or - for JSONL on standard input. Text is cut into passages, and BM25 ranks the passages first."
        ),
        show_default=False,
    ),
]
Run = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A TREC run (qid Q0 docid rank score tag). All its queries are ranked.",
        rich_help_panel=_INPUT,
    ),
]
Corpus = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The run's documents: JSONL with _id, title, text.", rich_help_panel=_INPUT),
]
Queries = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The run's queries: JSONL with _id, text; or .tsv.", rich_help_panel=_INPUT),
]
QueryIds = Annotated[
    list[str] | None,
    typer.Option("--query-id", metavar="ID", help="Only this query of the run. Repeatable.", rich_help_panel=_INPUT),
]
Limit = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Only the first queries of the run.", rich_help_panel=_INPUT)
]
Depth = Annotated[
    int | None,
    typer.Option(
        "--candidates",
        "--depth",
        min=1,
        metavar="N",
        help="Judge only the first N documents of the first stage. (default: 20 for passages and runs, all for JSONL)",
        show_default=False,
        rich_help_panel=_INPUT,
    ),
]
Shuffle = Annotated[
    int | None,
    typer.Option(metavar="SEED", help="Shuffle the candidates before they are judged.", rich_help_panel=_INPUT),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="A LiteLLM model (openai/gpt-6-luna), local, or local/NAME. "
        "(default: $JUDGE_RERANK_MODEL, else the local model)",
        show_default=False,
        autocompletion=completion.models,
        rich_help_panel=_JUDGE,
    ),
]
Strategy = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        "-s",
        metavar="NAME",
        help=f"{', '.join(strategy_names())}; or with options: 'listwise(window_size=10)'. "
        "(default: depends on the model)",
        show_default=False,
        autocompletion=completion.strategies,
        rich_help_panel=_JUDGE,
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The name of a prompt (see: judge-rerank prompts list) or a .j2 file.",
        autocompletion=completion.prompts,
        rich_help_panel=_JUDGE,
    ),
]
Prompts = Annotated[
    Path | None, typer.Option(help="A folder with your own prompts.", metavar="FOLDER", rich_help_panel=_JUDGE)
]
Explain = Annotated[
    bool, typer.Option("--explain", help="Ask the judge for reasons, and show them.", rich_help_panel=_JUDGE)
]
Api = Annotated[
    Literal["chat", "decisions"] | None,
    typer.Option(
        help="How a hosted model is asked: in words, or by typed questions that it answers in probabilities. (default: "
        "chat, but for models that only decide)",
        show_default=False,
        rich_help_panel=_JUDGE,
    ),
]
Transport = Annotated[
    Literal["direct", "litellm"] | None,
    typer.Option(
        help="What carries the requests: LiteLLM, or nothing in between, which is faster, for APIs like OpenAI's. "
        "(default: direct for servers of your own, such as hosted_vllm/, else litellm)",
        show_default=False,
        rich_help_panel=_JUDGE,
    ),
]
ApiBase = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Another endpoint, such as a proxy, vLLM or Ollama.", rich_help_panel=_JUDGE),
]
Params = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="KEY=VALUE",
        help=(
            "A parameter for the model, by LiteLLM's name (reasoning_effort=low), or context_tokens=N for a model "
            "that LiteLLM does not know. Repeatable."
        ),
        rich_help_panel=_JUDGE,
    ),
]
MaxTokensPerDoc = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Cut documents that are longer than this.", rich_help_panel=_JUDGE),
]
Passages = Annotated[
    Literal["max", "top2", "first"] | None,
    typer.Option(
        help=(
            "Judge long documents one passage at a time, instead of cutting off their end. A document's rank comes "
            "from its best passage (max), from the mean of its best two (top2) or from its first (first)."
        ),
        rich_help_panel=_JUDGE,
    ),
]
CalibrationFile = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        metavar="FILE",
        help="Turn scores into probabilities, with a file from judge-rerank calibrate.",
        rich_help_panel=_JUDGE,
    ),
]
Instruction = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="What the judge is to heed beside the query: 'prefer primary sources from after 2020'.",
        rich_help_panel=_JUDGE,
    ),
]
Criteria = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=WEIGHT",
        help="What to judge documents by, with weights, such as relevance=0.7,recency=0.3. score grades each of them.",
        rich_help_panel=_JUDGE,
    ),
]
Fields = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Metadata that the judge is shown with each document: names, separated by commas.",
        rich_help_panel=_JUDGE,
    ),
]
Trust = Annotated[
    Literal["trusted", "untrusted"],
    typer.Option(
        help="Whether the documents' authors may want to deceive the judge: untrusted shows it one document a call.",
        rich_help_panel=_JUDGE,
    ),
]
OnSuspicious = Annotated[
    Literal["flag", "recheck", "demote", "drop", "ignore"] | None,
    typer.Option(
        help="What happens with documents that seem written for the judge: report it (flag), ask again without the "
        "suspicious part, put them last, leave them out, or do not look. (default: flag; recheck if untrusted)",
        show_default=False,
        rich_help_panel=_JUDGE,
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="The highest number of simultaneous requests.", rich_help_panel=_JUDGE),
]
Deadline = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="The time limit for each query. The order reached by then is printed.",
        rich_help_panel=_JUDGE,
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        metavar="USD",
        help=(
            "The highest total cost. Documents beyond it stay in first-stage order. (default: "
            "$JUDGE_RERANK_BUDGET_USD, else no cap)"
        ),
        show_default=False,
        rich_help_panel=_SPEND,
    ),
]
MaxUsd = Annotated[
    str | None, typer.Option(metavar="USD", help="The highest cost of each query.", rich_help_panel=_SPEND)
]
Ledger = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="The file that counts the budget over all commands that name it.", rich_help_panel=_SPEND
    ),
]
Period = Annotated[
    Literal["day", "month"] | None,
    typer.Option(help="The budget applies to each day or month (UTC).", rich_help_panel=_SPEND),
]
Prices = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A YAML file with prices by model.", rich_help_panel=_SPEND)
]
Cache = Annotated[
    bool,
    typer.Option(
        "--cache/--no-cache", help="Store replies, so that no request is paid for twice.", rich_help_panel=_SPEND
    ),
]
CacheDir = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="The folder for replies.", rich_help_panel=_SPEND)
]
TraceFile = Annotated[
    Path | None,
    typer.Option(
        "--trace",
        metavar="FILE",
        envvar="JUDGE_RERANK_TRACE",
        help=(
            "The file that records every call, with queries and document texts, for explain, logs and spend. "
            "(default: trace.db in the cache folder)"
        ),
        show_default=False,
        rich_help_panel=_SPEND,
    ),
]
Scores = Annotated[
    Literal["rank"] | None,
    typer.Option(
        help="Score documents by rank, from 1 to 1/n, where the strategy gives only an order.",
        rich_help_panel="Output",
    ),
]
Mode = Annotated[
    Literal["direct", "batch"],
    typer.Option(
        help="batch makes a batch job of each round: about half the price, up to 24 hours a round. Interrupted, the "
        "same command goes on from there.",
        rich_help_panel=_JUDGE,
    ),
]
BatchFallback = Annotated[
    Literal["batch", "direct"],
    typer.Option(
        help="What batch jobs leave unanswered is asked in the next job, or by single requests at the full price. "
        "direct also asks rounds that are too small for a job (Amazon Bedrock: fewer than 100 requests).",
        rich_help_panel=_JUDGE,
    ),
]
Answerable = Annotated[
    bool,
    typer.Option(
        "--answerable",
        help="Report how probable it is that any document answers; with one more question where no score says it.",
        rich_help_panel="Output",
    ),
]
Keep = Annotated[
    Literal["relevant"] | None,
    typer.Option(
        help="Leave out documents that are not relevant by the calibration, and all of them if nothing answers.",
        rich_help_panel="Output",
    ),
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="The PostgreSQL database in which machines share spending, replies and the trace: "
        "postgresql://user@host/database; or on or off, for what is kept on this machine if no place is named. "
        "(default: $JUDGE_RERANK_STORE, else on)",
        show_default=False,
        rich_help_panel=_SPEND,
    ),
]
NoStore = Annotated[
    bool,
    typer.Option(
        "--no-store", help="Keep neither replies nor the trace, unless a place is named.", rich_help_panel=_SPEND
    ),
]
NoTrace = Annotated[bool, typer.Option("--no-trace", help="Do not write a trace.", rich_help_panel=_SPEND)]
TableOrJson = Annotated[Literal["table", "json"], typer.Option("--format", "-f", help="The output format.")]


def parameters(given: Sequence[str]) -> dict[str, Any]:
    """`KEY=VALUE` pairs; a value that is JSON (a number, true, a list) is taken as such, any other as text."""
    found: dict[str, Any] = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InputError(f"--param {pair!r} has no '=': --param KEY=VALUE, such as reasoning_effort=low.")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found
