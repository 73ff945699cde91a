"""`judge-rerank models`: which models there are, getting one, finding one."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

from judge_rerank.cli.output import emit, note, on_stdout
from judge_rerank.cli.terminal import slim_table

app = typer.Typer(no_args_is_help=True, help="List models, download and find those that run here.")


def _known(incomplete: str) -> list[str]:
    from judge_rerank.models import REGISTRY

    return [name for name in REGISTRY if name.startswith(incomplete)]


_Name = Annotated[str, typer.Argument(help="A name from the list.", autocompletion=_known)]


@app.command("list")
def list_models() -> None:
    """List the models that run here, * for the one that `local` means, and the decision models that can be asked."""
    from judge_rerank.models import DEFAULT_JUDGE, REGISTRY, installed_models, megabytes

    here = installed_models()
    table = slim_table()
    for heading in ("model", "size", "here", "licence"):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "size" else "left")
    table.add_column("description", overflow="fold")
    for model in REGISTRY.values():
        mark = " *" if model.name == DEFAULT_JUDGE else ""
        size, present = megabytes(model.size_bytes), "yes" if model.name in here else "no"
        cells = (model.name + mark, size, present, model.licence, model.description + _languages(model.name))
        table.add_row(*(Text(cell) for cell in cells))
    emit(on_stdout(table))
    _list_decision_models()


def _list_decision_models() -> None:
    """The hosted models that answer typed questions, by the names that LiteLLM has for them."""
    from judge_rerank.spending import Pricing, decision_models, only_decides

    names = decision_models()
    if not names:
        return
    emit("\nDecision models (hosted; they answer typed questions in probabilities)\n\n")
    table = slim_table()
    for heading in ("model", "$ per million tokens of input", "how to ask"):
        table.add_column(heading, no_wrap=heading == "model", justify="right" if heading[0] == "$" else "left")
    pricing = Pricing()
    for name in names:
        price = pricing.price(name, decides=True)
        usd = "not known" if price is None else f"{float(price.input_usd_per_mtok):g}"
        table.add_row(Text(name), Text(usd), Text(f"-m {name}" if only_decides(name) else "with --api decisions"))
    emit(on_stdout(table))


def _languages(model: str) -> str:
    """The end of the description; "" for a judge, of which nobody says so."""
    from judge_rerank.models import ENGLISH, languages_of_model

    known = languages_of_model(model)
    return "" if known is None else "; English" if known == ENGLISH else "; many languages"


@app.command("pull")
def pull(name: _Name) -> None:
    """Download a model, or verify the downloaded one, and print its path."""
    from judge_rerank.models import pull_model

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(name, total=None)
        path = pull_model(name, lambda done, total: bar.update(task, completed=done, total=total), notify=note)
    emit(f"{path}\n")


@app.command("path")
def path(name: _Name) -> None:
    """Print the path of a model. It is an error if the model is not on this machine."""

    from judge_rerank.models import find_model

    emit(f"{find_model(name)}\n")
