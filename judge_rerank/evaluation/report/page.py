"""The page: one file that needs no network, with everything that a run found."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from judge_rerank.core import Document
from judge_rerank.evaluation.record import Result, RunInfo
from judge_rerank.evaluation.report import answering, cascades
from judge_rerank.evaluation.report.chart import chart
from judge_rerank.evaluation.report.columns import Column, Record, columns, records
from judge_rerank.evaluation.report.detail import packed
from judge_rerank.evaluation.report.scope import Scope
from judge_rerank.evaluation.report.texts import NOTE
from judge_rerank.evaluation.report.verdict import verdict

if TYPE_CHECKING:
    from jinja2 import Template

_FOLDER = files("judge_rerank.evaluation.report") / "assets"
# What ends a script, opens a comment in one, or ends a line in JavaScript, written so that JSON reads the same.
_ESCAPED = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}


def page(scopes: Sequence[Scope], results: Iterable[Result], documents: Mapping[tuple[str, str], Document]) -> str:
    """The page.

    Args:
        scopes: all datasets together, then each.
        results: of every variant and query.
        documents: by dataset and id.
    """
    info = scopes[0].info
    letters = {name: row.letter for name, row in scopes[0].comparisons.items()}
    content = packed(info, results, documents, letters)
    said = verdict(scopes[0])
    chosen = {"a": info.baseline, "b": said.best if said.best != info.baseline else said.pick}
    script, style = _text("script.js"), _text("style.css")
    return _template().render(
        info=info,
        meta=_meta(info),
        sections=[_section(scope) for scope in scopes],
        note=NOTE,
        index=_in_script(dict(content.index) | {"chosen": chosen}),
        rankings=content.rankings,
        documents=content.documents,
        style=style,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _section(scope: Scope) -> Mapping[str, Any]:
    """What the template shows of a scope."""
    shown = columns(scope)
    return {
        "name": scope.dataset or "All datasets",
        "dataset": scope.dataset or "",
        "verdict": verdict(scope),
        "columns": shown,
        "rows": [_row(record, shown, scope) for record in records(scope)],
        "cuts": {
            "headings": cascades.cascade_headings(scope.summary),
            "lines": list(cascades.cascade_lines(scope.summary)),
            "note": cascades.CASCADE_NOTE,
        },
        "answers": {
            "headings": answering.answer_headings(),
            "lines": list(answering.answer_lines(scope.answers)),
            "curves": answering.curves(scope.answers),
            "note": answering.ANSWERS_NOTE,
        },
        "charts": [c for c in (chart(scope), chart(scope, width=350, height=340, narrow=True)) if c],
    }


def _row(record: Record, shown: Sequence[Column], scope: Scope) -> Mapping[str, Any]:
    return {
        "record": record,
        "about": " · ".join(filter(None, (record["model"], record["strategy"], *record["prompts"].values()))),
        "cells": [
            {
                "column": column,
                "text": column.of(record),
                "value": _sortable(record.get(column.key)),
                "letters": record["superscript"] if column.key == scope.metric else "",
                "significant": column.key == "p_adjusted" and record.get("significant", False),
            }
            for column in shown
        ],
    }


def _sortable(value: float | str | tuple[float, float] | None) -> str:
    """What a column is sorted by: the lower end of an interval, the wins of "wins/ties/losses"."""
    if isinstance(value, tuple):
        return repr(value[0])
    if isinstance(value, str):
        return value.partition("/")[0]
    return "" if value is None else repr(value)


def _meta(info: RunInfo) -> Sequence[str]:
    queries = sum(dataset.queries for dataset in info.datasets)
    skipped = sum(dataset.skipped for dataset in info.datasets)
    judged = sum(variant.reference is None for variant in info.variants)
    return [
        *([info.started.replace("T", " ")[:16] + " UTC"] if info.started else []),
        ", ".join(dataset.name for dataset in info.datasets),
        f"{queries:,} queries" + (f" ({skipped:,} without a relevant candidate left out)" if skipped else ""),
        f"{judged} variant{'s' * (judged != 1)}",
        *([f"{len(info.seeds)} seeds"] if len(info.seeds) > 1 else []),
        *([f"judge_rerank {info.version}"] if info.version else []),
    ]


def _in_script(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPED)


def _together(text: str) -> str:
    """The text with every figure kept on one line with its unit and with the metric before it."""
    return re.sub(
        r"(?<=\d) (?=(?:%|s|ms)\b|%)|(?<=@\d) (?=\d)|(?<=@\d\d) (?=\d)|(?<=\bp) (?=[<=])|(?<=[<=]) (?=\d)",
        "\u00a0",
        text,
    )


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["together"] = _together
    return environment.from_string(_text("page.html.j2"))
