"""What every reply goes through before it is read as an answer: thinking removed, failures named."""

from __future__ import annotations

import re
from dataclasses import dataclass

from judge_rerank.core import ChatReply, Failed
from judge_rerank.prompting.special_tokens import SPOKEN
from judge_rerank.prompting.thinking import without_thinking

MAX_REPLY_CHARS = 1_000_000
"""A longer reply is not read, whatever thinking there is in it."""

MAX_ANSWER_CHARS = 100_000
"""A longer answer, thinking apart, is not read: none that is asked for comes near, and reading takes its time."""

MAX_REASON_CHARS = 2_000

_EXCERPT_CHARS = 60
_MESSAGE_CHARS = 300

_FENCE = re.compile(r"```[ \t]{0,8}[\w+-]{0,20}")
_REFUSAL = re.compile(
    r"\b(?:i'?m (?:very |so |really )?sorry|i am sorry|i apologi[sz]e|i can ?not|i can't|i won't|i will not"
    r"|i'm (?:unable|not able)|i am (?:unable|not able)|(?:can ?not|can't|unable to) (?:assist|help|comply|provide)"
    r"|as an ai|against my (?:guidelines|policy))\b",
    re.IGNORECASE,
)
_PLAIN_SIGNS = str.maketrans("’ʼ＇［］【】＜＞｜▁", "'''[][]<>|_")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplyText:
    """The part of a reply that may hold the answer.

    Attributes:
        text: without thinking and without the model's control tokens, stripped.
        cut: the provider says that the reply ended at the token limit, so its end is not to be trusted.
        ended: the provider says that the model ended it, so what stands at its end is complete.
        thought: thinking was removed, so the reply did not open with its answer.
        repairs: what was done to get here.
    """

    text: str
    cut: bool
    ended: bool
    thought: bool
    repairs: tuple[str, ...] = ()


def open_reply(reply: ChatReply) -> ReplyText | Failed:
    """The part of `reply` that may hold an answer, or why there is none."""
    if reply.finish_reason in {"refusal", "filter"}:
        return Failed(reason="refused", message="The provider withheld the reply, or the model declined to answer.")
    if len(reply.text) > MAX_REPLY_CHARS:
        return failed("unreadable", f"Your reply had {len(reply.text):,} characters. Give the short answer asked for.")
    text = valid_unicode(reply.text).translate(_PLAIN_SIGNS)
    cut = reply.finish_reason == "length"
    spoken = without_thinking(text)
    if spoken is None:
        return failed("truncated", "Your reply ended before your thinking did. Think less and give the answer.")
    thought = spoken != text
    # A token between two digits kept them apart: without it they would be another number.
    text = SPOKEN.sub(_parted, spoken).strip()
    if len(text) > MAX_ANSWER_CHARS:
        return failed("unreadable", f"Your reply had {len(text):,} characters. Give the short answer asked for.")
    repairs = ("thinking removed",) if thought else ()
    return ReplyText(text=text, cut=cut, ended=reply.finish_reason == "stop", thought=thought, repairs=repairs)


def _parted(token: re.Match[str]) -> str:
    before, after = token.string[: token.start()][-2:], token.string[token.end() : token.end() + 1]
    return "\n" if after.isdigit() and any(map(str.isdigit, before)) else ""


def failed_reading(answer: ReplyText, problem: str) -> Failed:
    """Why no judgment was found in `answer`; `problem` is the sentence for a reply that is none of the known kinds."""
    if answer.cut:
        return failed("truncated", "Your reply was cut off before the answer was complete. Give the answer alone.")
    if not answer.text:
        return failed("unreadable", "Your reply was empty. Give the answer in the format asked for.")
    if _REFUSAL.search(answer.text[:500]):
        return failed("refused", f"You declined to judge: {excerpt(answer.text)}. Every document needs a judgment.")
    return failed("unreadable", problem)


def failed(reason: str, message: str) -> Failed:
    """A failure whose message is short enough to show to the judge."""
    if len(message) > _MESSAGE_CHARS:
        message = message[: _MESSAGE_CHARS - 1] + "…"
    if reason == "truncated":
        return Failed(reason="truncated", message=message)
    return Failed(reason="refused" if reason == "refused" else "unreadable", message=message)


def excerpt(value: object) -> str:
    """The beginning of `value` in quotes, on one line."""
    text = value if isinstance(value, str) else _shown(value)
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _EXCERPT_CHARS]).split())
    shown = line if len(line) <= _EXCERPT_CHARS and len(text) <= 4 * _EXCERPT_CHARS else line[:_EXCERPT_CHARS] + "…"
    return f'"{shown}"'


def _shown(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 200:
        return "a very large number"
    if value is None or isinstance(value, (bool, int, float)):
        return str(value)
    return "a list" if isinstance(value, list) else "an object"


def valid_unicode(text: str) -> str:
    """`text` with lone surrogates replaced, so that it can be stored and printed."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def as_reason(text: str) -> str | None:
    """An explanation, trimmed; None when there is none."""
    text = valid_unicode(text).strip()
    if len(text) > MAX_REASON_CHARS:
        text = text[: MAX_REASON_CHARS - 1] + "…"
    return text or None


def around_answer(text: str) -> str | None:
    """Plain text around an answer as its explanation; None for the few words that only introduce one."""
    return as_reason(text) if len(text[:1000].split()) > 3 else None


def without_fences(text: str) -> str:
    """`text` without the marks of Markdown code blocks; what they enclose stays."""
    return _FENCE.sub("", text).strip() if "```" in text else text


def without_last_word(text: str) -> str:
    """`text` up to its last word, for replies that may have been cut off within it."""
    end = len(text)
    while end and text[end - 1].isalnum():
        end -= 1
    return text[:end]
