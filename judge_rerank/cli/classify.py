"""`judge-rerank classify`: of what kind each query on standard input is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from judge_rerank.cli import options
from judge_rerank.cli.decorator import with_options
from judge_rerank.cli.exit_codes import PARTIAL
from judge_rerank.cli.judging import open_judge
from judge_rerank.cli.option_groups import ModelOptions, SpendingOptions
from judge_rerank.cli.output import counted, emit, note, on_stdout, printable, warning_line
from judge_rerank.cli.terminal import head_table, json_text
from judge_rerank.core import InputError
from judge_rerank.readers import numbered_lines
from judge_rerank.routing import JudgeClassifier, QueryClass, QueryClassifier, Rules, TrainedClassifier

_AT_ONCE = 64
_YAML = frozenset({".yaml", ".yml"})


@with_options
def classify(
    judging: ModelOptions,
    spending: SpendingOptions,
    classifier: Annotated[
        str,
        typer.Option(
            "--classifier",
            "-c",
            metavar="trained|llm|FILE.yaml",
            help="The classifier: the trained one of the package, the judge, or a file of rules.",
        ),
    ] = "trained",
    style: Annotated[
        Literal["tsv", "jsonl", "table"] | None,
        typer.Option("--format", "-f", help="(default: table on a terminal, else tsv)", show_default=False),
    ] = None,
    prompt: options.Prompt = None,
    explain: options.Explain = False,
) -> None:
    """Classify the queries on standard input, one per line. Prints label, confidence and text.

    judge-rerank classify < queries.txt

    Each line that is not blank gives one line of output, in the same order. White space inside a query becomes single
    spaces. The confidence is empty if it is not known. Reasons appear in jsonl, and in tables with --explain.
    """
    how = judging.model or judging.prompts or judging.api or judging.api_base or judging.param
    asked = how or prompt or spending.budget
    if classifier != "llm" and asked:
        raise InputError("-m, --prompt, --prompts, --api, --api-base, --param and --budget need --classifier llm.")
    if sys.stdin is None or sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison]
        raise InputError("There are no queries. Pipe them to standard input, one per line.")
    chosen_style = style or ("table" if sys.stdout.isatty() else "tsv")
    asking = partial(JudgeClassifier, prompt=prompt, explain=explain)
    with _opened(classifier, judging, spending, asking) as opened:
        fallbacks = _print_all(opened, chosen_style, explain=explain)
    if fallbacks:
        raise typer.Exit(PARTIAL)


@contextmanager
def _opened(
    classifier: str, judging: ModelOptions, spending: SpendingOptions, asking: Callable[..., JudgeClassifier]
) -> Generator[QueryClassifier]:
    """The classifier that the option names."""
    if classifier == "trained":
        yield TrainedClassifier()
    elif classifier == "llm":
        with open_judge(judging, spending, strategy="none") as judge:
            yield asking(judge=judge)
    elif Path(classifier).suffix.lower() in _YAML:
        yield Rules.load(classifier)
    else:
        msg = f"Unknown classifier {classifier!r}. There are: trained, llm, or a file of rules that ends in .yaml."
        raise InputError(msg)


def _print_all(classifier: QueryClassifier, style: str, *, explain: bool) -> int:
    """Classify and print, some queries at a time, so that a long input is answered as it comes; how many fell back."""
    lines = ((number, " ".join(line.split())) for number, line in numbered_lines(sys.stdin.buffer))
    read = fallbacks = 0
    rows: list[tuple[str, QueryClass]] = []
    why: dict[str, None] = {}
    while batch := list(islice(lines, _AT_ONCE)):
        texts = [text for _, text in batch]
        found = list(zip(texts, classifier.classify_many(texts), strict=True))
        read += len(found)
        fell = [each for _, each in found if each.fallback]
        fallbacks += len(fell)
        why.update(dict.fromkeys(each.reasons[0] for each in fell if each.reasons))
        if style == "table":
            rows += found
        else:
            emit("".join(map(_tsv if style == "tsv" else _jsonl, *zip(*found, strict=True))))
    if rows:
        emit(on_stdout(_table(rows, explain=explain)))
    if not read:
        note("The input holds no queries.")
    if fallbacks:
        answered = "was classified by the fallback" if fallbacks == 1 else "were classified by the fallback"
        warning_line(f"{counted(fallbacks, 'query', 'queries')} {answered}: {next(iter(why), '')}")
    return fallbacks


def _tsv(text: str, found: QueryClass) -> str:
    return f"{found.label}\t{_confidence(found)}\t{text}\n"


def _jsonl(text: str, found: QueryClass) -> str:
    record = {
        "label": found.label,
        "confidence": found.confidence,
        "text": text,
        "reasons": list(found.reasons),
        "fallback": found.fallback,
    }
    return json_text(record)


def _confidence(found: QueryClass) -> str:
    return "" if found.confidence is None else f"{found.confidence:.3f}"


def _table(rows: Sequence[tuple[str, QueryClass]], *, explain: bool) -> Table:
    table = head_table()
    table.add_column("label", no_wrap=True)
    table.add_column("confidence", justify="right", no_wrap=True)
    table.add_column("query", overflow="fold")
    if explain:
        table.add_column("reasons", overflow="fold")
    for text, found in rows:
        cells = [printable(found.label), _confidence(found), printable(text)]
        if explain:
            cells.append("; ".join(map(printable, found.reasons)))
        table.add_row(*(Text(cell) for cell in cells))
    return table
