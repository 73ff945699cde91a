"""The loopback provider as a model that is named: "wire/judge". A plugin, so that other processes have it too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from eval.bench.kills import Wire
from judge_rerank import AuthenticationError, backend
from judge_rerank.core import ModelInfo

MODEL = "wire/judge"
KEY = "WIRE_API_KEY"
"""The key of the provider, which a worker may lack."""


class NamedWire(Wire):
    """The backend; its address is the port of the provider."""

    def __init__(self, port: int, params: Mapping[str, Any]) -> None:
        super().__init__(port)
        self.info = ModelInfo(name=MODEL, context_tokens=16_384, concurrency=8, params=dict(params))

    def check_ready(self) -> None:
        """As of a model behind LiteLLM."""
        key = self.info.params.get("needs", KEY)
        if not os.environ.get(key):
            raise AuthenticationError(f"{MODEL} needs a key. Set the environment variable {key}.", sent=False)


@backend("wire")
def open_wire(model: str, *, api_base: str | None, api_key: str | None, params: Mapping[str, Any] | None) -> NamedWire:
    assert model == MODEL, model
    assert api_key is None
    return NamedWire(int(api_base or "0"), params or {})
