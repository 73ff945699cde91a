"""What the engine asks of a model: one request in, one reply out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol, runtime_checkable

from judge_rerank.core.criteria import Criterion
from judge_rerank.core.documents import Candidate, Query
from judge_rerank.core.redaction import public_repr

HOSTED_STRATEGY = "score(batch_size=12)"
"""What a hosted model does where no strategy is named: it gives scores, reads each document once, and needs one round.

For 100 passages it reads 0.59 of the tokens of `listwise`, in 9 calls of 1 round and not of 9. Twelve is about the most
at which judges whose errors grow with the group rank no worse than the window (`eval/results/groups.md`).
"""

DECISION_STRATEGY = "score(batch_size=30)"
"""What a decision model does where no strategy is named: it grades 30 documents in one request, which both ranked best
and cost least in the published comparison of decision models (nDCG@10 .692 on 8 sets, against .670 pair by pair)."""

FinishReason = Literal["stop", "length", "refusal", "filter", "other"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputSchema:
    """The JSON that a reply has to be. Backends whose model cannot be held to it leave it out."""

    name: str
    schema: Mapping[str, Any]


QuestionKind = Literal["predicate", "choice", "score"]
"""What a decision model answers: how probable "yes" is, which of some labels fits, or which level of a scale."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One typed question of a request to a decision model.

    Attributes:
        kind: what is asked for.
        instructions: the question in words. It names its document, for nothing else says which one is meant.
        labels: what a choice is made from; for a score its levels in words, from the lowest to the highest.
    """

    kind: QuestionKind
    instructions: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What a request is about, for simulated judges and traces. A real model reads the messages and nothing else.

    `levels` is how many grades the prompt describes; 0 where the task has a scale of its own.
    """

    task: str
    query: Query
    candidates: tuple[Candidate, ...] = ()
    options: tuple[str, ...] = ()
    explain: bool = False
    levels: int = 0
    criteria: tuple[Criterion, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatRequest:
    """One request to a model.

    Attributes:
        messages: the conversation so far.
        max_output_tokens: the most that the reply may use; sent with every call.
        schema: the JSON that is wanted, if JSON is wanted.
        labels: the answers that are possible, where the reply is one of a few short words ("yes", "no"). A backend
            whose `info.logprobs` is true reports the log-probabilities of the first tokens when this is set.
        temperature: 0 for the most likely reply.
        seed: passed on where the model takes one.
        timeout_s: the most to wait for the whole reply.
        questions: for a decision model, what it is asked about the text, which is the one message; else empty.
        subject: what it is about; no part of what is sent.
    """

    messages: tuple[Message, ...]
    max_output_tokens: int
    schema: OutputSchema | None = None
    labels: tuple[str, ...] = ()
    temperature: float = 0.0
    seed: int | None = None
    timeout_s: float = 60.0
    questions: tuple[Question, ...] = ()
    subject: Subject | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatReply:
    """What came back.

    Attributes:
        text: the reply, without any reasoning that the provider reports apart. Of a decision model it is a JSON list
            with an answer for each question, in their order: `{"probability": 0.9}`, `{"score": 2.1, "probabilities":
            [...]}` (by level), `{"choice": "A", "probabilities": {"A": 0.8, ...}}`, or `{"refused": true}`.
        finish_reason: "stop", "length" (cut off), "refusal", "filter" (the provider withheld it) or "other".
        branches: next-token log-probabilities by the text before them. `branches[""]` is the distribution of the
            first token; `branches["1"]` that of the token after a "1", where the backend has it. Empty where the
            backend has none.
        input_tokens, output_tokens, cached_input_tokens: as the provider counted them; None where it did not say.
        cost_usd: the price, 0 for a model that runs here, None where it is not known.
        model: the model that answered, as the provider names it.
        usage: the provider's own usage block.
        input_cut: the model was shown less than was sent, because its context is shorter; the reply is no judgment.
        thought_only: thinking took all of the limit, so no answer came; asked again with head room, one may.
    """

    text: str
    finish_reason: FinishReason = "stop"
    branches: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cost_usd: Decimal | None = None
    model: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict[str, Any])
    input_cut: bool = False
    thought_only: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelInfo:
    """What is known of a model before it is asked.

    Attributes:
        name: as the user would write it.
        context_tokens: prompt and reply together.
        max_output_tokens: the most one reply may use; None where it is not known.
        logprobs: whether replies come with log-probabilities when `labels` are asked for.
        reasoning_tokens: head room that a reasoning model needs before its answer; 0 for others.
        concurrency: how many requests at once make sense.
        max_tokens_per_doc: where a document is cut when the caller does not say.
        max_documents: the most documents that an API takes in one request; None where it has not said.
        most_questions: the most typed questions of one request, for a decision model; None for one that answers in
            words.
        both_orders: whether a decision model is asked each choice a second time with the labels in reverse order.
        input_tokens: the most tokens of one input (a text, or query and document together) that an API takes; None
            where it has not said.
        timeout_s: how long one attempt may take when the caller does not say.
        strategy: the strategy that is used where none is named.
        local: whether it runs on this machine and costs nothing.
        exact_tokens: whether `count_tokens` counts by the model's own vocabulary. Elsewhere only the bytes of a text
            bound its tokens.
        endpoint: where it is asked, if not at its provider's usual address; or which file it is.
        params: the caller's own parameters. With the name and the endpoint they say whose answer a reply is.
    """

    name: str
    context_tokens: int
    max_output_tokens: int | None = None
    logprobs: bool = False
    reasoning_tokens: int = 0
    concurrency: int = 8
    max_tokens_per_doc: int = 1024
    max_documents: int | None = None
    most_questions: int | None = None
    both_orders: bool = False
    input_tokens: int | None = None
    timeout_s: float = 60.0
    strategy: str = HOSTED_STRATEGY
    local: bool = False
    exact_tokens: bool = False
    endpoint: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])

    __repr__ = public_repr


@runtime_checkable
class Backend(Protocol):
    """A model. Anything with these four members can be a judge: `Judge(my_backend)`.

    `info` and `count_tokens` must not need a network. `complete` makes exactly one attempt and raises
    `judge_rerank.ProviderError` or a subclass when it fails; retrying is the engine's business.
    """

    @property
    def info(self) -> ModelInfo:
        """What is known of the model."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens in `text`: exact, or a little above."""
        ...

    async def complete(self, request: ChatRequest) -> ChatReply:
        """One attempt at one request."""
        ...

    async def aclose(self) -> None:
        """Release connections and memory."""
        ...


def prompt_text(messages: Sequence[Message]) -> str:
    """The messages as one text, for counting and for people to read."""
    return "\n".join(f"{m.role}: {m.content}" for m in messages)
