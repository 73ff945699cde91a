"""The options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from judge_rerank.cli import completion
from judge_rerank.strategies import strategy_names

_INPUT, _JUDGE, _SPEND = "What to rank", "Who judges, and how", "What it may cost, and what is kept"

Query = Annotated[
    str | None,
    typer.Option("--query", "-q", metavar="TEXT", help="What the documents are judged for.", rich_help_panel=_INPUT),
]
Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILES",
        help="JSONL files (text; optional id, title, score), text or Markdown files, folders of them, or - for JSONL "
        "on standard input. Text and folders are cut into passages and ranked by BM25 first.",
        show_default=False,
    ),
]
Run = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="A TREC run (qid Q0 docid rank score tag); ranks all its queries.", rich_help_panel=_INPUT
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
    typer.Option(
        "--query-id", metavar="ID", help="Only this query of the run; may be repeated.", rich_help_panel=_INPUT
    ),
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
        help="Judge only the first so many documents of the first stage. "
        "(default: 20 for passages and runs, all for JSONL)",
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
        help="A LiteLLM model (openai/gpt-4.1-mini), local, or local/NAME. "
        "(default: $JUDGE_RERANK_MODEL, else the embedded model)",
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
        "(default: what suits the model)",
        show_default=False,
        autocompletion=completion.strategies,
        rich_help_panel=_JUDGE,
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A prompt's name (see: judge-rerank prompts list) or file.",
        autocompletion=completion.prompts,
        rich_help_panel=_JUDGE,
    ),
]
Prompts = Annotated[
    Path | None, typer.Option(help="A folder with prompts of your own.", metavar="FOLDER", rich_help_panel=_JUDGE)
]
Explain = Annotated[bool, typer.Option("--explain", help="Ask for reasons and show them.", rich_help_panel=_JUDGE)]
ApiBase = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Another endpoint: a proxy, vLLM, Ollama.", rich_help_panel=_JUDGE),
]
Params = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="KEY=VALUE",
        help="A parameter for the model, by LiteLLM's name (reasoning_effort=low), or context_tokens=N for a "
        "model that LiteLLM does not know; may be repeated.",
        rich_help_panel=_JUDGE,
    ),
]
MaxTokensPerDoc = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Where long documents are cut.", rich_help_panel=_JUDGE)
]
Passages = Annotated[
    Literal["max", "top2", "first"] | None,
    typer.Option(
        help="Judge long documents a passage at a time, and rank each by its best passage, by the mean of its best "
        "two, or by its first alone, instead of cutting off the end.",
        rich_help_panel=_JUDGE,
    ),
]
CalibrationFile = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        metavar="FILE",
        help="Turn scores into probabilities, as fitted by judge-rerank calibrate.",
        rich_help_panel=_JUDGE,
    ),
]
Concurrency = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="The most requests at once.", rich_help_panel=_JUDGE)
]
Deadline = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Print what there is after so long, for each query.", rich_help_panel=_JUDGE),
]
Budget = Annotated[
    str | None,
    typer.Option(
        metavar="USD",
        help="The most to spend; what it does not reach stays in first-stage order. "
        "(default: $JUDGE_RERANK_BUDGET_USD, else no cap)",
        show_default=False,
        rich_help_panel=_SPEND,
    ),
]
MaxUsd = Annotated[
    str | None, typer.Option(metavar="USD", help="The most to spend on each query.", rich_help_panel=_SPEND)
]
Ledger = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Count the budget over all commands that name this file.", rich_help_panel=_SPEND
    ),
]
Period = Annotated[
    Literal["day", "month"] | None,
    typer.Option(help="The ledger's budget starts afresh each day or month (UTC).", rich_help_panel=_SPEND),
]
Prices = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A YAML file of prices by model.", rich_help_panel=_SPEND)
]
Cache = Annotated[
    bool, typer.Option("--cache/--no-cache", help="Keep replies, and pay for none twice.", rich_help_panel=_SPEND)
]
CacheDir = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where replies are kept.", rich_help_panel=_SPEND)
]
TraceFile = Annotated[
    Path | None,
    typer.Option(
        "--trace",
        metavar="FILE",
        envvar="JUDGE_RERANK_TRACE",
        help="Where every call is written down, for explain, logs and spend. (default: trace.db in the cache folder)",
        show_default=False,
        rich_help_panel=_SPEND,
    ),
]
Store = Annotated[
    bool | None,
    typer.Option(
        "--store/--no-store",
        help="Keep replies and the trace also where no place is named for them. (default: yes, unless "
        "$JUDGE_RERANK_STORE is off)",
        show_default=False,
        rich_help_panel=_SPEND,
    ),
]
NoTrace = Annotated[bool, typer.Option("--no-trace", help="Write no trace.", rich_help_panel=_SPEND)]
TableOrJson = Annotated[Literal["table", "json"], typer.Option("--format", "-f", help="How to print the result.")]
