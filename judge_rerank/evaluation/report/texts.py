"""A run as Markdown, CSV, LaTeX, JSON and TREC runs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from judge_rerank.core import Document, Query, RankedDocument, Ranking
from judge_rerank.evaluation.record import Result
from judge_rerank.evaluation.report import answering, cascades
from judge_rerank.evaluation.report.columns import Column, Record, columns, records
from judge_rerank.evaluation.report.scope import Scope
from judge_rerank.evaluation.report.verdict import verdict

NOTE = (
    "A superscript names the variants that are significantly worse than the row's (paired randomization test, Holm's "
    "correction over all pairs, α = 0.05). Δ is the difference to the baseline, and p has Holm's correction over all "
    "variants. Costs are computed as if no reply had come from the cache."
)


def run_as_markdown(scopes: Sequence[Scope]) -> str:
    """What the run says, in words and as tables: all datasets together, then each."""
    info = scopes[0].info
    parts = [f"# {plain_line(info.name)}", *([plain_line(info.description)] if info.description else [])]
    for scope in scopes:
        said = verdict(scope)
        parts += [
            *([f"## {plain_line(scope.dataset or 'All datasets')}"] if len(scopes) > 1 else []),
            f"**{plain_line(said.headline)}**",
            "\n".join(f"- {topic}: {plain_line(text)}" for topic, text in said.points),
            _markdown_table(scope),
            *_cascades(scope),
            *_answers(scope),
        ]
    return "\n\n".join([*parts, NOTE]) + "\n"


def run_as_csv(scopes: Sequence[Scope]) -> str:
    """One line for each dataset and variant, nothing rounded; what is not known is empty."""
    rows = [{"dataset": scope.dataset or "all", **_flat(record)} for scope in scopes for record in records(scope)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def run_as_latex(scopes: Sequence[Scope]) -> str:
    """One booktabs table for all datasets together, and one for each."""
    return "% Needs \\usepackage{booktabs}.\n" + "\n".join(map(_latex_table, scopes))


def run_as_json(scopes: Sequence[Scope]) -> str:
    """The run, what it says and every figure, nothing rounded."""
    info = scopes[0].info
    content = {
        "run": asdict(info),
        "scopes": [
            {
                "dataset": scope.dataset,
                "metric": scope.metric,
                "cost_axis": scope.summary.axis,
                "verdict": asdict(verdict(scope)),
                "variants": list(records(scope)),
                "answers": [asdict(row) for row in scope.answers],
            }
            for scope in scopes
        ],
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def trec_runs(results: Iterable[Result]) -> dict[tuple[str, str, int], str]:
    """TREC runs by dataset, variant and seed; the tag is the variant's name."""
    runs: dict[tuple[str, str, int], list[str]] = {}
    for result in results:
        if result.ranking:
            key = (result.dataset, result.variant, result.seed)
            runs.setdefault(key, []).append(_ranking(result).to_trec(tag="_".join(result.variant.split())))
    return {key: "".join(lines) for key, lines in runs.items()}


def _ranking(result: Result) -> Ranking:
    return Ranking(
        [
            RankedDocument(rank=at.rank, index=at.index, relevance_score=at.score, document=Document(id=at.id, text=""))
            for at in result.ranking
        ],
        query=Query(id=result.query_id, text=result.query),
        strategy=result.variant,
    )


def _markdown_table(scope: Scope) -> str:
    shown = columns(scope)
    lines = [["", "variant", *(column.title for column in shown)], ["---", "---", *("--:" for _ in shown)]]
    for record in records(scope):
        cells = [_with_letters(column, record, scope.metric, "<sup>{}</sup>") for column in shown]
        name = plain_line(record["variant"]) + " (front)" * record["pareto"]
        lines.append([record["letter"] or "", name, *cells])
    return in_bars(lines)


def _cascades(scope: Scope) -> list[str]:
    """The table of what cascades cut, and what it means; nothing without cascades."""
    lines = [[*map(plain_line, line[:2]), *line[2:]] for line in cascades.cascade_lines(scope.summary)]
    if not lines:
        return []
    return [
        in_bars([cascades.cascade_headings(scope.summary), ["---", "---", *["--:"] * 4], *lines]),
        cascades.CASCADE_NOTE,
    ]


def _answers(scope: Scope) -> list[str]:
    """The table of what was known of queries that nothing answers; nothing where that was not asked."""
    lines = [[plain_line(name), *rest] for name, *rest in answering.answer_lines(scope.answers)]
    if not lines:
        return []
    return [in_bars([answering.answer_headings(), ["---", *["--:"] * 5], *lines]), answering.ANSWERS_NOTE]


def in_bars(lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table: its headings, its marks, its rows."""
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _latex_table(scope: Scope) -> str:
    shown = [column for column in columns(scope) if column.main]
    rows = list(records(scope))
    head = " & ".join(["", "Variant", *(_tex(column.title) for column in shown)])
    lines = list(_latex_rows(scope, shown, rows))
    caption = _tex(f"{scope.info.name}, {scope.dataset or 'all datasets'}: {verdict(scope).headline}")
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{caption}}}",
            rf"  \begin{{tabular}}{{ll{'r' * len(shown)}}}",
            r"    \toprule",
            rf"    {head} \\",
            r"    \midrule",
            *(rf"    {line} \\" for line in lines),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _latex_rows(scope: Scope, shown: Sequence[Column], rows: Sequence[Record]) -> Iterator[str]:
    best = {
        column.key: max((row[column.key] or 0.0 for row in rows if not row["reference"]), default=None)
        for column in shown
        if column.key in scope.info.metrics
    }
    for row in rows:
        cells = [_tex(_with_letters(column, row, scope.metric, "\0{}\1")) for column in shown]
        cells = [cell.replace("\0", r"\textsuperscript{").replace("\1", "}") for cell in cells]
        bold = [
            rf"\textbf{{{cell}}}"
            if not row["reference"] and row.get(column.key) and best.get(column.key) == row[column.key]
            else cell
            for column, cell in zip(shown, cells, strict=True)
        ]
        yield " & ".join([_tex(row["letter"] or ""), _tex(row["variant"]), *bold])


def _with_letters(column: Column, record: Record, metric: str, mark: str) -> str:
    text = column.of(record)
    return text + mark.format(record["superscript"]) if column.key == metric and record["superscript"] else text


_TEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "Δ": r"$\Delta$",
    "–": "--", "·": r"$\cdot$", "<": r"$<$", ">": r"$>$", "|": r"$|$", **{mark: "\\" + mark for mark in "&%$#_{}"},
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in " ".join(text.split()))


def plain_line(text: str) -> str:
    """Text that Markdown shows as it stands."""
    return re.sub(r"([\\`*_<>\[\]#])", r"\\\1", " ".join(text.split()))


_NESTED = {"interval", "prompts", "wins_ties_losses", "ceilings"}


def _flat(record: Record) -> dict[str, Any]:
    ends = record.get("interval")
    flat = {name: value for name, value in record.items() if name not in _NESTED}
    return flat | {
        "prompts": " ".join(f"{task}={name}" for task, name in record["prompts"].items()),
        "better_than": " | ".join(record["better_than"]),
        "interval_low": ends[0] if ends else None,
        "interval_high": ends[1] if ends else None,
    }
