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
    page: Annotated[
        bool | None, typer.Option("--page/--no-page", help="Whether / has a page to try it on.", rich_help_panel=PANEL)
    ] = None,
) -> None:
    """Rerank over HTTP, for clients of Cohere, Jina, Voyage, vLLM and Text Embeddings Inference.

    judge-rerank serve -m openai/gpt-6-luna -s listwise

    judge-rerank serve --config server.yaml --host 0.0.0.0 --workers 4

    The page at / compares two rerankers on documents that you paste.

    Keys come from the environment, under the provider's names (OPENAI_API_KEY).
    """
    from judge_rerank.server import serve as run

    config = configured(context, served)
    if page is not None:
        config = config.model_copy(update={"page": page})
    run(config, host=host, port=port, workers=workers)
