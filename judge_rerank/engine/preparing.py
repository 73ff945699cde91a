"""Makes calls ready to send: in the event loop where that is quick, in a thread where it is not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from judge_rerank.core import JudgeCall
from judge_rerank.prompting import ApiRenderer, Prepared, Renderer

_SHORT_CHARS = 8_000
"""So much of documents is rendered and counted in about a millisecond, most calls in a quarter of one; a thread would
take as long for its two changes of thread as for the rendering."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preparer:
    """Makes the calls to one model ready.

    Attributes:
        renderer: does it.
        slow: whether a model in this process counts the tokens.
        known: tasks, each with its prompt, for which that was done before: template and vocabulary are loaded.
    """

    renderer: Renderer | ApiRenderer
    slow: bool
    known: set[tuple[str, str | None]] = field(default_factory=set[tuple[str, "str | None"]])

    async def prepare(self, call: JudgeCall) -> Prepared:
        """The call as it is sent.

        Raises:
            ProviderError: it does not fit the model.
            PromptError: the template cannot be rendered.
        """
        kind = (call.task, call.prompt)
        if kind in self.known and not self.slow and _is_short(call):
            return self.renderer.prepare(call)
        prepared = await asyncio.to_thread(self.renderer.prepare, call)
        self.known.add(kind)
        return prepared


def _is_short(call: JudgeCall) -> bool:
    return sum(len(candidate.document.text) for candidate in call.candidates) <= _SHORT_CHARS
