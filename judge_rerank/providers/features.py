"""What a model has been found to refuse or to need, learnt from its own answers and kept for the model and endpoint.

A request is first made with all that helps: the strictest JSON format, the most log-probabilities, temperature 0.
Where the provider turns it away and names a parameter that was sent, where it answers 404 and does not say why, or 500
time after time, the next request goes without: one step down, once, remembered while this process runs. Nothing is
billed for a request that was turned away.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

JsonFormat = Literal["json_schema", "json_object", "none"]
LimitParam = Literal["max_tokens", "max_completion_tokens", "extra_body"]

FORMATS: tuple[JsonFormat, ...] = ("json_schema", "json_object", "none")
LIMIT_PARAMS: tuple[LimitParam, ...] = ("max_tokens", "max_completion_tokens", "extra_body")
MOST_LOGPROBS = 20
_FEWER_LOGPROBS = (5, 0)
_MOST_MODELS = 512

_ABOUT_FORMAT = re.compile(
    r"(?<![a-z])(?:format|(?:response|output)[-_ ]?format|tools?|tool_choice)(?![a-z])|json|schema|structured|guided"
)
_ABOUT_LIMIT = re.compile(r"(?i)max[-_]?(?:completion|output|new)?[-_]?tokens|num_predict")
_AT_MOST = re.compile(
    r"(?i)(?:at most|<=|≤|up to|less than or equal to|no more than|exceed|"
    r"max(?:imum)?(?: value| allowed)?(?: is| of|:)?|between \d+ and|range (?:of )?[\[(]?\d+ ?(?:,|to|-))\s*(\d{1,6})\b"
)
_ESSENTIAL = frozenset(
    {"model", "messages", "timeout", "api_base", "api_key", "client", "num_retries", "extra_headers", "extra_body"}
)
_UNEXPLAINED = re.compile(
    r"(?i)\bmodels?\b|deployment|engine|\burl\b|route|path|page|endpoint .{0,80}not found|nothing at|<html|<!doctype"
)
"""Signs that a 404 explains itself: the model or the address is not there."""


@dataclass(slots=True)
class Features:
    """The ways to ask that are left, the best first.

    Attributes:
        formats: how JSON may be asked for.
        top_logprobs: how many alternatives of a token may be asked for; 0 for none.
        limit_params: the names that the limit on the reply's length may go by.
        refused: other parameters that the model does not take.
        most_output_tokens: the longest reply that it may be asked for; None where that is not known.
        reasoning_tokens: head room that its thinking was found to need.
        context_tokens: the context that it was found to read; None where nothing was cut.
    """

    formats: list[JsonFormat] = field(default_factory=lambda: list(FORMATS))
    top_logprobs: int = MOST_LOGPROBS
    limit_params: list[LimitParam] = field(default_factory=lambda: list(LIMIT_PARAMS))
    refused: set[str] = field(default_factory=set[str])
    most_output_tokens: int | None = None
    reasoning_tokens: int = 0
    context_tokens: int | None = None

    @property
    def state(self) -> tuple[object, ...]:
        """What differs where something was learnt since."""
        formats, limits = len(self.formats), len(self.limit_params)
        counts = (self.top_logprobs, self.most_output_tokens, self.reasoning_tokens, self.context_tokens)
        return (formats, limits, len(self.refused), *counts)

    def learn(self, rejection: str, asked: Mapping[str, Any], *, keep: Mapping[str, Any]) -> bool:
        """Whether a rejection names something that the request can do without; it is not asked for again.

        Other calls may have learnt the same meanwhile: the answer is the same then.

        Args:
            rejection: all that the provider said, the name of the parameter included where it gives one.
            asked: the parameters that were sent.
            keep: parameters that the user wants, whatever the provider says.
        """
        said = rejection.lower()
        steps: tuple[Callable[[str, Mapping[str, Any]], bool], ...] = (
            self._fewer_logprobs,
            self._plainer_format,
            self._other_limit,
        )
        if any(step(said, asked) for step in steps):
            return True
        places = {name: _place(said, name) for name in asked if name not in _ESSENTIAL and name not in keep}
        named = {name: place for name, place in places.items() if place >= 0}
        if named:
            # The first that is named is what is refused; others may stand in the reason, or in the advice.
            self.refused.add(min(named, key=lambda name: named[name]))
        return bool(named)

    def step_down(self, asked: Mapping[str, Any]) -> bool:
        """Go without everything that a request can do without, as after an answer that explains nothing."""
        optional = {name for name in ("seed", "reasoning_effort", "thinking") if name in asked}
        if "logprobs" in asked:
            self.top_logprobs = 0
        if "response_format" in asked or "logprobs" in asked:
            self.formats = ["none"]
        self.refused |= optional
        return bool(optional) or "logprobs" in asked or "response_format" in asked

    def _fewer_logprobs(self, said: str, asked: Mapping[str, Any]) -> bool:
        if "logprob" not in said or "logprobs" not in asked:
            return False
        sent = int(asked.get("top_logprobs", 0))
        told = [int(number) for number in _AT_MOST.findall(said) if 0 < int(number) < sent]
        known = bool(told) or "top_logprobs" in said
        fewer = max(told) if told else next(count for count in _FEWER_LOGPROBS if count < sent or not count)
        self.top_logprobs = min(self.top_logprobs, fewer if known else 0)
        return True

    def _plainer_format(self, said: str, asked: Mapping[str, Any]) -> bool:
        if "response_format" not in asked or not _ABOUT_FORMAT.search(said):
            return False
        self.formats = [kind for kind in self.formats if kind != asked["response_format"]["type"]] or ["none"]
        return True

    def _other_limit(self, said: str, asked: Mapping[str, Any]) -> bool:
        sent = sent_limit(asked)
        if not sent or not _ABOUT_LIMIT.search(said):
            return False
        lower = [int(number) for number in _AT_MOST.findall(said) if 0 < int(number) < sent]
        if lower:
            self.most_output_tokens = max(lower)
            return True
        used = next((name for name in LIMIT_PARAMS if name in asked and "max" in name), "extra_body")
        self.limit_params = [name for name in self.limit_params if name != used] or self.limit_params
        return True


def unexplained(status: int | None, said: str) -> bool:
    """Whether an answer of 404 does not say what is not there."""
    return status == 404 and not _UNEXPLAINED.search(said)


def sent_limit(asked: Mapping[str, Any]) -> int:
    """The limit on the reply's length in a request, by whatever name it goes."""
    body: Mapping[str, Any] = asked.get("extra_body") or {}
    return int(asked.get("max_tokens") or asked.get("max_completion_tokens") or body.get("max_tokens") or 0)


def _place(said: str, name: str) -> int:
    """Where a text names a parameter, as `top_p`, `topP` or "top p"; -1 where it does not."""
    words = re.escape(name.lower()).replace("_", "[-_ ]?")
    found = re.search(rf"(?<![a-z]){words}(?![a-z])", said)
    return found.start() if found else -1


_known: OrderedDict[tuple[str, str | None], Features] = OrderedDict()
_lock = threading.Lock()


def features_of(model: str, endpoint: str | None) -> Features:
    """What is known of a model at an endpoint; the same for every backend of this process."""
    with _lock:
        found = _known.setdefault((model, endpoint), Features())
        _known.move_to_end((model, endpoint))
        while len(_known) > _MOST_MODELS:
            _known.popitem(last=False)
        return found


def forget_features() -> None:
    """Start afresh, as a new process does."""
    with _lock:
        _known.clear()
