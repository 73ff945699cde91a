"""Runs a server: one process, or several that share a port, budgets, rates and figures."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judge_rerank.core import InputError, MissingExtra
from judge_rerank.server.config import ServerConfig

if TYPE_CHECKING:
    from fastapi import FastAPI

_KEPT_OPEN_S = 75
"""How long a connection may rest; longer than most clients keep one, so that they do not write into a closed one."""

_VARIABLE = "JUDGE_RERANK_SERVER"
"""How the configuration comes to worker processes."""


def serve(config: ServerConfig, *, host: str = "127.0.0.1", port: int = 8000, workers: int = 1) -> None:
    """Serve until SIGTERM or SIGINT; rankings that are under way are finished first.

    Args:
        config: what to serve.
        host: the address. Without keys, only one of this machine.
        port: 0 for any that is free.
        workers: processes.

    Raises:
        InputError: the address is open to others, and there are no keys.
        MissingExtra: FastAPI or uvicorn are not installed.
        RerankError: something in the configuration cannot be used.
    """
    try:
        import uvicorn

        from judge_rerank.server.app import create_app
    except ImportError as error:
        raise MissingExtra("The server", "server", str(error.name)) from None
    _require_keys(host, config)
    options = _options(config, host, port)
    log_to_stderr()
    if workers == 1:
        uvicorn.run(create_app(config), **options)
        return
    with tempfile.TemporaryDirectory(prefix="judge-rerank-") as shared:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
        os.environ[_VARIABLE] = json.dumps({"config": config.model_dump(mode="json"), "shared": shared})
        uvicorn.run("judge_rerank.server.run:worker", factory=True, workers=workers, **options)


def serve_mcp(config: ServerConfig, *, http: bool = False, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Give the tools to agents: over standard input and output, or at `/mcp` of an address.

    Args:
        config: what to serve.
        http: whether over HTTP.
        host: as in `serve`.
        port: as in `serve`.

    Raises:
        InputError: the address is open to others, and there are no keys.
        MissingExtra: the MCP package or uvicorn are not installed.
        RerankError: something in the configuration cannot be used.
    """
    try:
        import uvicorn

        from judge_rerank.server.mcp_tools import closing_after, create_mcp
        from judge_rerank.server.state import Server
    except ImportError as error:
        raise MissingExtra("The MCP server", "mcp", str(error.name)) from None
    if http:
        _require_keys(host, config)
    log_to_stderr()
    server = Server(config)
    mcp = create_mcp(server)

    async def run() -> None:
        async with closing_after(server):
            if not http:
                await mcp.run_stdio_async()
                return
            app = mcp.streamable_http_app(host=host, max_request_body_size=config.limits.body_bytes)
            await uvicorn.Server(uvicorn.Config(app, **_options(config, host, port))).serve()

    asyncio.run(run())


def worker() -> FastAPI:
    """The application in a worker process."""
    from judge_rerank.server.app import create_app

    log_to_stderr()
    given = json.loads(os.environ[_VARIABLE])
    return create_app(ServerConfig.model_validate(given["config"]), shared=Path(given["shared"]))


def _require_keys(host: str, config: ServerConfig) -> None:
    from judge_rerank.server.keys import is_loopback

    if not is_loopback(host) and not config.keys:
        raise InputError(
            f"{host} may be reached by others, and the configuration has no keys. Add keys to it, or leave out --host "
            "to serve this machine only."
        )


def _options(config: ServerConfig, host: str, port: int) -> dict[str, Any]:
    return {
        "host": host,
        "port": port,
        "access_log": False,
        "log_config": None,
        "timeout_graceful_shutdown": int(-(-config.limits.drain_s // 1)),
        "server_header": False,
        "timeout_keep_alive": _KEPT_OPEN_S,
    }


def log_to_stderr() -> None:
    """Write the log to standard error: access as it is, the rest with its level.

    What the engine says of partial rankings begins with the query, so it is left out: the access log says it too.
    """
    access, errors = logging.StreamHandler(sys.stderr), logging.StreamHandler(sys.stderr)
    access.setFormatter(logging.Formatter("%(message)s"))
    errors.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    errors.addFilter(lambda record: record.name != "judge_rerank")
    for name, handler, level in (
        ("judge_rerank", errors, logging.WARNING),
        ("judge_rerank.server.access", access, logging.INFO),
        ("uvicorn", errors, logging.INFO),
    ):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
