"""What to do about an error, where the error itself shows it: certificates, addresses, pages of gateways, batches."""

from __future__ import annotations

import re

from judge_rerank.core import public_url
from judge_rerank.providers.http_transport import Exchange

_CERTIFICATE = re.compile(
    r"(?i)certificate[ _]verify[ _]failed|self[- ]signed|unable to get (?:local )?issuer|CertificateError"
)
_PLAIN_HTTP = re.compile(r"(?i)wrong[ _]version[ _]number|record[ _]layer[ _]failure|http request")
_BATCH = re.compile(
    r"(?i)batch[ _]size|batch .{0,40}(?:too large|exceed|maximum)|too many (?:documents|inputs|texts)"
    r"|(?:number of|at most \d+|maximum (?:of )?\d+) (?:documents|inputs|texts)"
)
_TITLE = re.compile(r"(?is)<title[^>]*>(.*?)</title>|<h1[^>]*>(.*?)</h1>")
_TAG = re.compile(r"(?s)<[^>]+>")


def remedy(said: str, exchange: Exchange, status: int | None, api_base: str | None) -> str:
    """What to do, as sentences; "" where nothing more is known than the kind of the error.

    Args:
        said: all that the error and those behind it say.
        exchange: what happened on the wire.
        status: the HTTP status, if there was one.
        api_base: the address that was asked, if it was the caller's.
    """
    if _CERTIFICATE.search(said):
        return (
            "The server's certificate is not trusted on this machine. Set SSL_CERT_FILE (for other tools "
            "REQUESTS_CA_BUNDLE) to the file with the certificates of your organisation, before Python starts."
        )
    if _PLAIN_HTTP.search(said) and (api_base or "").startswith("https://"):
        return "The server does not speak https there: write http:// in api_base."
    if status in {404, 405}:
        return _address_remedy(exchange, api_base)
    if is_page(exchange.raw):
        remedy = _address_remedy(exchange, api_base) or "Check api_base and the proxy, or try again later."
        return f"The answer was a web page, so a gateway, a proxy or a sign-in page is in front of the API. {remedy}"
    if _BATCH.search(said):
        return "Send fewer documents in one request: a smaller batch_size."
    return ""


def is_page(raw: bytes | bytearray) -> bool:
    """Whether a body is a web page."""
    return raw[:200].lstrip().lower().startswith((b"<!doctype", b"<html", b"<head", b"<body"))


def page_text(raw: bytes | bytearray) -> str:
    """What a web page says, in short: its title, else its text."""
    page = raw.decode("utf-8", "replace")
    found = _TITLE.search(page)
    text = next((group for group in found.groups() if group), "") if found else page
    return " ".join(_TAG.sub(" ", text).split())[:200]


def _address_remedy(exchange: Exchange, api_base: str | None) -> str:
    """What is wrong with the path of an address: `/v1` missing, twice or too much, or the path of the API in it."""
    if not api_base:
        return ""
    shown, path = public_url(api_base).rstrip("/"), exchange.path
    bare = re.sub(
        r"(?:/v\d\w*)?(?:/(?:chat/completions|completions|responses|rerank|embeddings|messages))?$", "", shown
    )
    if re.search(r"/(?:chat/completions|responses|rerank|embeddings|messages)$", shown):
        return f"api_base is the address before the API's path: try {re.sub(r'/(?:chat/)?[a-z]+$', '', shown)!r}."
    if re.search(r"/(v\d)\w*/(?:\1|v\d)\b", path):
        return f"/v1 appears twice in {path!r}: try api_base={bare!r}."
    if not re.search(r"/v\d", path):
        return f"Most servers answer under /v1, and {path or 'the path'!r} has none: try api_base={bare + '/v1'!r}."
    return (
        f"Nothing answers at {path!r}: check api_base, where /v1 may be missing or superfluous, and the model's name."
    )
