"""Keeps keys out of what LiteLLM and its clients log, which at debug level is every header and address."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from judge_rerank.core import redact

_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "openai._base_client", "httpx")


class _Redaction(logging.Filter):
    """Lets every record through, with its traceback, without the secrets in them."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: list[str] = []
        self._formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        cleaned = redact(text, self.secrets)
        if cleaned != text:
            record.msg, record.args = cleaned, ()
        if record.exc_info:  # every formatter takes the text where there is one
            record.exc_text = redact(self._formatter.formatException(record.exc_info), self.secrets)
        return True


_redaction = _Redaction()


def keep_out_of_logs(secrets: Iterable[str]) -> None:
    """Replace these in the records of LiteLLM, the OpenAI client and HTTPX from now on."""
    _redaction.secrets.extend(secret for secret in secrets if secret not in _redaction.secrets)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_redaction)
