"""`judge-rerank mcp`: tools for agents, over the Model Context Protocol."""

from __future__ import annotations

from typing import Annotated

import typer

from judge_rerank.cli.decorator import with_options
from judge_rerank.cli.serving import PANEL, Host, Port, ServedOptions, configured


@with_options
def mcp(
    context: typer.Context,
    served: ServedOptions,
    http: Annotated[
        bool,
        typer.Option("--http", help="Serve over HTTP instead of standard input.", rich_help_panel=PANEL),
    ] = False,
    host: Host = "127.0.0.1",
    port: Port = 8000,
) -> None:
    """Give agents tools to rerank, estimate, explain and compare (Model Context Protocol).

    judge-rerank mcp -m openai/gpt-6-luna -s listwise

    judge-rerank mcp --config server.yaml --http --port 8001

    Keys come from the environment, under the provider's names (OPENAI_API_KEY).
    """
    from judge_rerank.server import serve_mcp

    serve_mcp(configured(context, served), http=http, host=host, port=port)
