"""HTTP in other people's shapes: the server that clients of Cohere, Jina, Voyage, vLLM and TEI can ask unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judge_rerank.core import lazy_names

if TYPE_CHECKING:
    from judge_rerank.server.app import create_app
    from judge_rerank.server.config import KeySpec, LimitsSpec, RouteSpec, ServerConfig
    from judge_rerank.server.run import serve, serve_mcp

__all__ = ["KeySpec", "LimitsSpec", "RouteSpec", "ServerConfig", "create_app", "serve", "serve_mcp"]

_LAZY = {
    "KeySpec": "config",
    "LimitsSpec": "config",
    "RouteSpec": "config",
    "ServerConfig": "config",
    "create_app": "app",
    "serve": "run",
    "serve_mcp": "run",
}

__getattr__, __dir__ = lazy_names(__name__, _LAZY)
