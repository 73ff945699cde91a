"""What a model has been found to refuse, learnt from its own rejections and kept for the life of a backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

JsonFormat = Literal["json_schema", "json_object", "none"]

_ABOUT_FORMAT = ("response_format", "schema", "json", "structured")


@dataclass(slots=True)
class Features:
    """The ways to ask that are left, the best first.

    Attributes:
        formats: how JSON may be asked for.
        top_logprobs: how many alternatives of a token may be asked for; 0 for none.
        refused: parameters that the model does not take.
    """

    formats: list[JsonFormat] = field(default_factory=lambda: ["json_schema", "json_object", "none"])
    top_logprobs: list[int] = field(default_factory=lambda: [20, 5, 0])
    refused: set[str] = field(default_factory=set[str])

    def learn(self, rejection: str, asked: Mapping[str, Any], *, keep: Mapping[str, Any]) -> bool:
        """Whether a rejection is of something that the request can do without; it is not asked for again.

        Other calls may have learnt the same meanwhile: the answer is the same then.

        Args:
            rejection: what the provider said.
            asked: the parameters that were sent.
            keep: parameters that the user wants, whatever the provider says.
        """
        said = rejection.lower()
        if "logprob" in said and "logprobs" in asked:
            too_many = {asked["top_logprobs"]} if "top_logprobs" in said else {20, 5}
            self.top_logprobs = [count for count in self.top_logprobs if count not in too_many]
            return True
        if "response_format" in asked and any(sign in said for sign in _ABOUT_FORMAT):
            self.formats = [kind for kind in self.formats if kind != asked["response_format"]["type"]]
            return True
        named = {name for name in ("temperature", "seed") if name in said and name in asked and name not in keep}
        self.refused |= named
        return bool(named)
