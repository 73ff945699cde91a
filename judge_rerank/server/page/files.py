"""The three files of the page, and the headers that keep it to itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

_FOLDER = files("judge_rerank.server.page") / "assets"
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""No script and no style but the page's own files, nothing made of text but text, and no address told to others."""


def file_reply(request: Request, name: str, root: str = "") -> Response:
    """A file of the page; 304 where the browser has it.

    Args:
        request: what asks for it.
        name: of the file.
        root: how the page's links lead from its own address to the server's: "" or "../".
    """
    text = (_FOLDER / name).read_text(encoding="utf-8").replace("{{root}}", root)
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
    headers = {**HEADERS, "Cache-Control": "no-cache", "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(text, headers=headers, media_type=_TYPES[name.rpartition(".")[2]])
