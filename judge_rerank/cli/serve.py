"""`judge-rerank serve`: rerank over HTTP, in the shapes of other APIs."""

from __future__ import annotations

from typing import Annotated

import typer

from judge_rerank.cli.decorator import with_options
from judge_rerank.cli.serving import PANEL, Host, Port, ServedOptions, configured


@with_options
def serve(
    context: typer.Context,
    served: ServedOptions,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[
        int, typer.Option(min=1, metavar="N", help="The number of processes.", rich_help_panel=PANEL)
    ] = 1,
) -> None:
    """Rerank over HTTP, for clients of Cohere, Jina, Voyage, vLLM and Text Embeddings Inference.

    judge-rerank serve -m openai/gpt-4.1-mini -s listwise

    judge-rerank serve --config server.yaml --host 0.0.0.0 --workers 4

    Keys come from the environment, under the provider's names (OPENAI_API_KEY).
    """
    from judge_rerank.server import serve as run

    run(configured(context, served), host=host, port=port, workers=workers)
