"""`judge-rerank report`: what a run found, as a page, a table or TREC runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from judge_rerank.cli.output import counted, emit, note
from judge_rerank.core import DataError, InputError, UnknownName

if TYPE_CHECKING:
    from judge_rerank.evaluation import Result, RunInfo, Scope

Style = Literal["html", "md", "csv", "latex", "json", "trec"]

_Compare = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Another audit of the same data, shown side by side.")
]


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that judge-rerank eval or attack wrote.")],
    style: Annotated[
        Style,
        typer.Option(
            "--format",
            "-f",
            help="html is a page, md and latex are tables, csv and json have every figure, trec has the rankings.",
        ),
    ] = "html",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="The file to write, or the folder for trec. (default: RUN/report.html for html, else standard output)",
        ),
    ] = None,
    dataset: Annotated[str | None, typer.Option(metavar="NAME", help="Only this one.")] = None,
    variant: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only the rankings of this variant, for trec.")
    ] = None,
    compare: _Compare = None,
) -> None:
    """Report the findings of a run: a summary, a table, and the reasons, query by query.

    judge-rerank report runs/prompts

    judge-rerank report runs/prompts -f md

    judge-rerank report runs/prompts -f trec -o rankings/

    The page is one file that needs no network. It has a summary, a table, quality against cost, and any query under any
    two variants with every judgment and reply. An unfinished run is reported as far as it got.
    """
    from judge_rerank.evaluation import RunFolder, is_audit

    if is_audit(run):
        if dataset is not None or variant is not None:
            raise InputError(
                "--dataset and --variant choose parts of an experiment, and this is the folder of an audit."
            )
        _audit(run, style, output, compare)
        return
    if compare is not None:
        raise InputError(
            "--compare is for audits (judge-rerank attack); experiments are compared by judge-rerank diff."
        )
    folder = RunFolder(run)
    info, results = folder.info(), folder.results()
    info, results = _only(info, results, dataset)
    if style == "trec":
        _rankings(info, results, variant, output)
        return
    if variant is not None:
        raise InputError("--variant chooses a ranking and needs --format trec.")
    from judge_rerank.evaluation import scopes

    found = scopes(info, results)
    if style == "html":
        from judge_rerank.evaluation import page

        path = output or run / "report.html"
        _write(path, page(found, results, folder.documents()))
        return
    text = _tables()[style](found)
    if output is None:
        emit(text)
    else:
        _write(output, text)


def _audit(run: Path, style: Style, output: Path | None, other: Path | None) -> None:
    """An audit by hostile documents, as a page, a table, or with every figure."""
    from judge_rerank.cli.terminal import json_text
    from judge_rerank.evaluation import Audit, audit_as_json, audit_as_markdown, audit_page, beside

    found = Audit.read(run)
    compared = () if other is None else beside(Audit.read(other).results, found.results)
    if style == "html":
        _write(output or run / "report.html", audit_page(found, compared))
        return
    if style not in {"md", "json"}:
        raise InputError(f"An audit is reported as html, md or json, not as {style}.")
    text = (
        audit_as_markdown(found, compared)
        if style == "md"
        else json_text(audit_as_json(found, compared), indent=2, default=str)
    )
    if output is None:
        emit(text)
    else:
        _write(output, text)


def _tables() -> Mapping[str, Callable[[Sequence[Scope]], str]]:
    from judge_rerank.evaluation import run_as_csv, run_as_json, run_as_latex, run_as_markdown

    return {"md": run_as_markdown, "csv": run_as_csv, "latex": run_as_latex, "json": run_as_json}


def _only(info: RunInfo, results: list[Result], dataset: str | None) -> tuple[RunInfo, list[Result]]:
    from dataclasses import replace

    if dataset is None:
        return info, results
    known = [one.name for one in info.datasets]
    if dataset not in known:
        raise UnknownName("dataset", dataset, known)
    chosen = [one for one in info.datasets if one.name == dataset]
    return replace(info, datasets=chosen), [result for result in results if result.dataset == dataset]


def _rankings(info: RunInfo, results: Sequence[Result], variant: str | None, output: Path | None) -> None:
    from judge_rerank.evaluation import trec_runs

    known = [one.name for one in info.variants]
    if variant is not None and variant not in known:
        raise UnknownName("variant", variant, known)
    runs = trec_runs(result for result in results if variant in (None, result.variant))
    if not runs:
        raise InputError("There is no ranking yet." if variant is None else f"There is no ranking of {variant!r} yet.")
    if output is not None:
        for (dataset, name, seed), text in runs.items():
            ending = f".seed{seed}" if len(info.seeds) > 1 else ""
            _write(output / f"{_file_name(dataset)}.{_file_name(name)}{ending}.trec", text, quietly=True)
        note(f"{counted(len(runs), 'ranking')} written to {output}.")
    elif len(runs) == 1:
        emit(next(iter(runs.values())))
    else:
        raise InputError(
            f"There are {len(runs)} rankings, and a TREC run holds one. Name a folder with -o, or choose a ranking "
            "with --variant and --dataset."
        )


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.@=+-]+", "-", name).strip("-.") or "unnamed"


def _write(path: Path, text: str, *, quietly: bool = False) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"Cannot be written: {error.strerror or error}.", path=path) from error
    if not quietly:
        emit(f"{path}\n")
