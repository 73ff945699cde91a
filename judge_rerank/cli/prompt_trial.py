"""One prompt sent once: what the model got, what it said, and what was read from that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from judge_rerank.cli.output import counted, dollars, printable
from judge_rerank.core import (
    Backend,
    Candidates,
    ChatReply,
    ChatRequest,
    Choice,
    Document,
    Failed,
    InputError,
    JudgeCall,
    ModelInfo,
    Order,
    Ordering,
    Outcome,
    Plan,
    Query,
    Ranking,
    Scores,
)
from judge_rerank.judge import Judge
from judge_rerank.prompting import TASKS, Library, Template
from judge_rerank.providers import Api, open_backend


class Overheard:
    """A backend that passes everything on to another, and remembers it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.heard: list[tuple[ChatRequest, ChatReply]] = []

    @property
    def info(self) -> ModelInfo:
        """As for the other one."""
        return self._backend.info

    def count_tokens(self, text: str) -> int:
        """As for the other one."""
        return self._backend.count_tokens(text)

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The other's reply."""
        reply = await self._backend.complete(request)
        self.heard.append((request, reply))
        return reply

    async def aclose(self) -> None:
        """Close the other."""
        await self._backend.aclose()


@dataclass(frozen=True, kw_only=True)
class OneCall:
    """A strategy that asks once about all its documents and leaves them where they are.

    Attributes:
        template: what is asked.
        explain: whether reasons are wanted.
        outcomes: what was read from the reply, of all runs of this object.
    """

    template: Template
    explain: bool = False
    outcomes: list[Outcome] = field(default_factory=list[Outcome], init=False, compare=False, repr=False)

    name = "try"

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """One round of one call."""
        task = self.template.task
        call = JudgeCall(
            task=task,
            query=query,
            candidates=candidates[:],
            prompt=str(self.template.path),
            options=TASKS[task].letters(len(candidates)),
            explain=self.explain,
        )
        self.outcomes.extend((yield [call]))
        return Ordering(order=tuple(candidate.index for candidate in candidates))


def tried(
    name: str,
    query: Query,
    documents: Sequence[Document],
    *,
    shown: int | None = None,
    model: str | None = None,
    prompts: Path | None = None,
    explain: bool = False,
    api: Api | None = None,
    api_base: str | None = None,
    params: dict[str, Any] | None = None,
    max_tokens_per_doc: int | None = None,
) -> str:
    """Send a prompt once and tell what happened.

    Raises:
        InputError: the prompt is for queries without documents, or there are too few of these.
    """
    template = Library([prompts] if prompts else []).find(name)
    asked = TASKS[template.task]
    if not asked.shown:
        raise InputError(
            f"{template.name!r} classifies queries and shows no documents. See: judge-rerank prompts show."
        )
    n = shown or asked.shown
    least = 2 if asked.compares else 1
    if template.task == "pairwise" and n != 2:
        raise InputError(f"{template.name!r} compares two documents; --documents {n} is not possible with it.")
    if min(n, len(documents)) < least:
        raise InputError(f"{template.name!r} needs {counted(least, 'document')}; there is {len(documents)}.")
    api = api or ("decisions" if template.decides else None)
    backend = Overheard(open_backend(model, api=api, api_base=api_base, params=params))
    strategy = OneCall(template=template, explain=explain)
    with Judge(backend, prompts=prompts, max_tokens_per_doc=max_tokens_per_doc) as judge:
        ranking = judge.rerank(query, documents[:n], strategy)
    return _told(template, backend, strategy.outcomes, ranking)


def _told(template: Template, backend: Overheard, outcomes: Sequence[Outcome], ranking: Ranking) -> str:
    parts = [f"{template.name}, version {template.version}, {template.hash[:16]}, by {backend.info.name}\n"]
    for place, (request, reply) in enumerate(backend.heard, start=1):
        again = f", asked again ({place})" if place > 1 else ""
        parts += [f"\n──── {message.role} message{again} ────\n{message.content}\n" for message in request.messages]
        parts.append(f"\n──── reply{again} ({reply.finish_reason}) ────\n{reply.text}\n")
    parts.append("\n──── read as ────\n" + "".join(_read(outcome) for outcome in outcomes))
    usage = ranking.usage
    parts.append(
        f"\n{counted(usage.calls, 'call')}, {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out, "
        f"{dollars(usage.cost_usd)}, {usage.latency_s:.1f} s\n"
    )
    return "".join(parts)


def _read(outcome: Outcome) -> str:
    if isinstance(outcome, Failed):
        return f"no judgment: {outcome.reason} ({printable(outcome.message)})\n"
    if isinstance(outcome, Order):
        lines = [" > ".join(f"[{place + 1}]" for place in outcome.order[: outcome.stated])]
        reasons = [outcome.reason]
    elif isinstance(outcome, Choice):
        shares = ", ".join(f"{label} {share:.3f}" for label, share in outcome.probabilities.items())
        lines, reasons = [outcome.label + (f" ({shares})" if shares else "")], [outcome.reason]
    else:
        lines, reasons = _scored(outcome), list(outcome.reasons)
    lines += [f"reason: {printable(reason)}" for reason in reasons if reason]
    lines += [f"repaired: {repair}" for repair in outcome.repairs]
    return "".join(f"{line}\n" for line in lines)


def _scored(outcome: Scores) -> list[str]:
    labels = outcome.labels or (None,) * len(outcome.values)
    return [
        f"[{place}] " + ("left out" if value is None else f"score {value:.3f}") + (f", {label!r}" if label else "")
        for place, (value, label) in enumerate(zip(outcome.values, labels, strict=True), start=1)
    ]
