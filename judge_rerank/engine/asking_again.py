"""The second question: what is sent when a reply came and could not be read."""

from __future__ import annotations

from dataclasses import replace

from judge_rerank.core import Backend, ChatReply, Message, Outcome
from judge_rerank.prompting import MARGIN_TOKENS, Prepared, quote

# Replies that a second try can turn into a judgment. A refusal would be refused again.
_WORTH_ASKING_AGAIN = frozenset({"unreadable", "truncated"})


def asked_again(prepared: Prepared, reply: ChatReply, failed: Outcome, backend: Backend) -> Prepared | None:
    """The same conversation with the reply and what is wrong with it added; None where that cannot help.

    Args:
        prepared: the first question.
        reply: what came.
        failed: why it could not be read.
        backend: the model.
    """
    if failed.failure not in _WORTH_ASKING_AGAIN or reply.input_cut:
        return None
    request, info = prepared.request, backend.info
    limit = request.max_output_tokens * (2 if failed.failure == "truncated" else 1)
    limit += info.reasoning_tokens if reply.thought_only else 0
    # What the model repeats of a document has no voice either.
    shown = quote(reply.text.strip()[: 4 * request.max_output_tokens])
    complaint = f"{quote(failed.message)} Answer again, in exactly the format that was asked for."
    input_tokens = prepared.input_tokens + backend.count_tokens(shown) + backend.count_tokens(complaint) + MARGIN_TOKENS
    if input_tokens + limit > info.context_tokens:
        return None
    messages = (
        *request.messages,
        Message(role="assistant", content=shown or "(empty)"),
        Message(role="user", content=complaint),
    )
    request = replace(request, messages=messages, max_output_tokens=limit)
    return replace(prepared, request=request, input_tokens=input_tokens)
