"""What the commands that serve have in common: a file of routes, or one route of options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from judge_rerank.cli import options
from judge_rerank.cli.judging import store_address
from judge_rerank.core import InputError

if TYPE_CHECKING:
    from judge_rerank.server import ServerConfig

PANEL = "The server"

Host = Annotated[str, typer.Option(help="The address. One that others can reach needs keys.", rich_help_panel=PANEL)]
Port = Annotated[int, typer.Option(min=0, max=65535, rich_help_panel=PANEL)]

_INSTEAD_OF_A_FILE = ("model", "strategy", "transport", "api_base", "param", "prompts", "budget", "store")


@dataclass(frozen=True, kw_only=True)
class ServedOptions:
    """What is served."""

    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The routes, keys and limits, as YAML.", rich_help_panel=PANEL)
    ] = None
    model: options.Model = None
    strategy: options.Strategy = None
    transport: options.Transport = None
    api_base: options.ApiBase = None
    param: options.Params = None
    prompts: options.Prompts = None
    budget: options.Budget = None
    store: options.Store = None


def configured(context: typer.Context, served: ServedOptions) -> ServerConfig:
    """What the file says, or one route of the options, which takes every model's name.

    Raises:
        InputError: there are both, or something cannot be used.
        MissingExtra: the server's packages are not installed.
    """
    from judge_rerank.readers import checked
    from judge_rerank.server import ServerConfig

    if served.config is not None:
        for name in _INSTEAD_OF_A_FILE:
            source = context.get_parameter_source(name)
            if source is not None and source.name == "COMMANDLINE":
                flag = f"--{name.replace('_', '-')}"
                raise InputError(f"{flag} cannot be used with --config: {served.config} says what is served.")
        return ServerConfig.load(served.config)
    given = {
        "model": served.model and [served.model],
        "strategy": served.strategy,
        "transport": served.transport,
        "api_base": served.api_base,
        "params": options.parameters(served.param or ()),
        "prompts": str(served.prompts.absolute()) if served.prompts else None,
        "budget": served.budget,
        "aliases": ["*"],
    }
    route = {key: value for key, value in given.items() if value}
    return checked({"rerankers": {"default": route}, "store": store_address(served.store)}, ServerConfig)
