"""The loopback provider as a model that is named: "wire/judge". A plugin, so that other processes have it too."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from eval.bench.kills import Wire
from judge_rerank import AuthenticationError, backend, scorer
from judge_rerank.core import Group, ModelInfo
from judge_rerank.scorers import LocalScorer

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


@scorer("lengths")
@dataclass(frozen=True)
class Lengths(LocalScorer):
    """Scores a document by its letters modulo a number, and writes down which process was asked about how many.

    Attributes:
        modulo: the number.
        log: the file; "" for none.
    """

    by_itself: ClassVar[bool] = True

    modulo: int = 7
    log: str = ""

    def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(f"{os.getpid()} {sum(len(candidates) for _, candidates in groups)}\n")
        return [[float(sum(map(ord, each.document.text)) % self.modulo) for each in shown] for _, shown in groups]

    def unit(self, raw: float) -> float:
        return raw / self.modulo
