"""What an attempt can cost, and what it did cost: the arithmetic between a request and the ledger. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from judge_rerank.core import ChatReply, InputError, ModelInfo, ProviderError, billed_micro_usd, to_usd
from judge_rerank.prompting import Prepared
from judge_rerank.spending import Metered, Price, Reservation, bill, metered, plausible_count, worst_case

# What a provider adds to each message that no tokenizer shows.
_TOKENS_PER_MESSAGE = 16
_COUNTS = ("input_tokens", "output_tokens", "cached_input_tokens")
_ANSWER_SHARE, _REASONING_SHARE = 0.4, 0.1
# What a gateway says when the model behind it did not answer in time, or not well: the model may have done its work.
_GATEWAY_STATUSES = frozenset({408, 502, 504, 524})


def worst_case_of(price: Price | None, prepared: Prepared, info: ModelInfo) -> tuple[int | None, int]:
    """The most that one attempt can cost, in micro-dollars (None where the price is not known), and in tokens."""
    input_tokens, output_tokens = most_input_tokens(prepared, info), prepared.request.max_output_tokens
    if price is None:
        return None, input_tokens + output_tokens
    micro_usd = worst_case(
        price, input_tokens, output_tokens, search_units=prepared.search_units, documents=prepared.documents
    )
    return micro_usd, input_tokens + output_tokens


def expected_output_tokens(prepared: Prepared, info: ModelInfo) -> int:
    """What the reply to a request usually takes.

    Measured with the replies that the built-in tasks ask for, clean and by a common vocabulary: a ranking as JSON takes
    .37 to .46 of its limit, a choice .20, a score or a word .12 to .25, a batch of scores about half. Input makes up
    nearly all that short replies cost, so one share serves. Of the head room for reasoning little is used by a judge,
    whose question is short.

    What that is worth: of the smallest local model (SmolLM2 135M) a word took .25 to .60 of its limit of four tokens, a
    ranking of six .28, and a batch of scores all of it, since that model does not end its lists. The share for
    reasoning is a guess: no replies of reasoning models were at hand to check it. An estimate reports the bound too.
    """
    reasoning = min(info.reasoning_tokens, prepared.request.max_output_tokens)
    answer = prepared.request.max_output_tokens - reasoning
    return round(_ANSWER_SHARE * answer + _REASONING_SHARE * reasoning)


def expected_micro_usd(price: Price | None, prepared: Prepared, info: ModelInfo) -> int | None:
    """What one attempt will probably cost, in micro-dollars; None where the price is not known."""
    if price is None:
        return None
    used = Metered(
        input_tokens=prepared.input_tokens,
        output_tokens=expected_output_tokens(prepared, info),
        search_units=prepared.search_units,
        documents=prepared.documents,
    )
    return min(bill(price, used), worst_case_of(price, prepared, info)[0] or 0)


def most_input_tokens(prepared: Prepared, info: ModelInfo) -> int:
    """An upper bound on what the provider will count as input.

    The count, where the model's own tokenizer made it. Elsewhere the bytes: no token is less than a byte, and a
    vocabulary that does not know a script makes nearly a token of each. The schema goes along with the messages, and
    providers count it too. A rerank API may count the query, its first message, with every document.
    """
    request = prepared.request
    schema = json.dumps(request.schema.schema) if request.schema is not None else ""
    sent = [len(message.content.encode("utf-8", "replace")) for message in request.messages]
    frame = _TOKENS_PER_MESSAGE * (len(sent) + 1) + len(schema.encode("utf-8", "replace"))
    asked = [text for question in request.questions for text in (question.instructions, *question.labels)]
    frame += sum(_TOKENS_PER_MESSAGE + len(text.encode("utf-8", "replace")) for text in asked)
    total = sum(sent) + sent[0] * max(0, prepared.documents - 1)
    return (min(total, prepared.input_tokens) if info.exact_tokens else total) + frame


@dataclass(frozen=True, slots=True)
class Bill:
    """What a reply costs.

    Attributes:
        used: what the provider says it used; None where it does not say, or bills by something that has no price here.
        micro_usd: what it costs; None where nobody knows.
        priced: the reply with its price, and without counts that cannot be.
    """

    used: Metered | None
    micro_usd: int | None
    priced: ChatReply


def billed(price: Price | None, prepared: Prepared, reply: ChatReply, *, worst: int | None) -> Bill:
    """What a reply costs: computed from the price if that is known, else as the backend reports it.

    Args:
        price: of the model; None where it is not known.
        prepared: what was asked.
        reply: what came.
        worst: the most that it can cost, which it does if the usage is unknown.
    """
    used = _used_by(prepared, reply, price)
    counts = {name: plausible_count(getattr(reply, name)) for name in _COUNTS}
    cost_usd = reply.cost_usd if price is None else to_usd(bill(price, used) if used is not None else worst or 0)
    micro_usd = None if cost_usd is None else billed_micro_usd(cost_usd)
    return Bill(used, micro_usd, replace(reply, cost_usd=cost_usd, **counts))


def _used_by(prepared: Prepared, reply: ChatReply, price: Price | None) -> Metered | None:
    if reply.finish_reason == "filter" and reply.cost_usd == 0:
        return Metered()  # refused, which no provider bills
    used = metered(reply, documents=prepared.documents, decided=bool(prepared.request.questions))
    unpriced = used is not None and price is not None and prepared.documents and not price.covers(used)
    return None if unpriced else used


def may_be_billed(error: BaseException) -> bool:
    """Whether a failed attempt may be on the bill.

    No provider bills what it refused with a status, or was never sent. Anything else may have been answered.
    """
    if not isinstance(error, ProviderError):
        return not isinstance(error, InputError)
    return error.sent and (error.status is None or error.status < 400 or error.status in _GATEWAY_STATUSES)


def settle_failure(reservation: Reservation, error: ProviderError | InputError) -> None:
    """Give back what a failed attempt had set aside, or keep it charged where it may be billed."""
    if isinstance(error, InputError) or not error.sent:
        reservation.release()
    elif may_be_billed(error):
        reservation.forfeit()
    else:
        reservation.settle(0)
