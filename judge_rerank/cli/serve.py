"""`judge-rerank serve`: rerank over HTTP, in the shapes of other APIs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from judge_rerank.cli import options
from judge_rerank.cli.decorator import with_options
from judge_rerank.core import InputError

if TYPE_CHECKING:
    from judge_rerank.server import ServerConfig

_SERVER = "The server"

_INSTEAD_OF_A_FILE = ("model", "strategy", "api_base", "param", "prompts", "budget")


@with_options
def serve(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The routes, keys and limits, as YAML.", rich_help_panel=_SERVER),
    ] = None,
    host: Annotated[
        str,
        typer.Option(help="The address. One that others can reach needs keys.", rich_help_panel=_SERVER),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, rich_help_panel=_SERVER)] = 8000,
    workers: Annotated[
        int, typer.Option(min=1, metavar="N", help="The number of processes.", rich_help_panel=_SERVER)
    ] = 1,
    model: options.Model = None,
    strategy: options.Strategy = None,
    api_base: options.ApiBase = None,
    param: options.Params = None,
    prompts: options.Prompts = None,
    budget: options.Budget = None,
) -> None:
    """Rerank over HTTP, for clients of Cohere, Jina, Voyage, vLLM and Text Embeddings Inference.

    judge-rerank serve -m openai/gpt-4.1-mini -s listwise

    judge-rerank serve --config server.yaml --host 0.0.0.0 --workers 4

    Keys come from the environment, under the provider's names (OPENAI_API_KEY).
    """
    try:
        from judge_rerank.server import serve as run
    except ImportError as error:
        from judge_rerank.core import MissingExtra

        raise MissingExtra("The server", "server", str(error.name)) from None

    given: dict[str, Any] = {
        "model": model,
        "strategy": strategy,
        "api_base": api_base,
        "params": options.parameters(param or ()),
        "prompts": str(prompts.absolute()) if prompts else None,
        "budget": budget,
    }
    run(_configured(context, config, given), host=host, port=port, workers=workers)


def _configured(context: typer.Context, path: Path | None, given: dict[str, Any]) -> ServerConfig:
    """What is to be served: what a file says, or one route of options that takes every model's name."""
    from judge_rerank.readers import checked
    from judge_rerank.server import ServerConfig

    if path is None:
        route = {name: value for name, value in given.items() if value} | {"aliases": ["*"]}
        if "model" in route:
            route["model"] = [route["model"]]
        return checked({"rerankers": {"default": route}}, ServerConfig)
    for name in _INSTEAD_OF_A_FILE:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise InputError(f"--{name.replace('_', '-')} cannot be used with --config: {path} says what is served.")
    return ServerConfig.load(path)
