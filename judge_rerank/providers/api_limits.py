"""What an API says it does not take in one request: too many documents, a document too long, an empty one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_COUNTED = re.compile(
    r"batch|\b(?:documents?|texts?|passages?|inputs?|questions?|sources?|items?|instances?|requests?|elements?|array|list|member)\b"
)
_NUMBER = r"\s*\(?(\d[\d,]*)"
_MOST = re.compile(
    r"(?:at most|no more than|n(?:ot|o) (?:be )?(?:larger|greater|more|longer) than|up to|less than(?: or equal to)?"
    r"|(?:max(?:imum)?|limit)(?: [a-z_]+){0,6}?:?|exceeds?(?: the)?(?: limit)?(?: of)?)" + _NUMBER
)
_ALLOWED = re.compile(r"(\d[\d,]*) \w+(?:\(s\))? (?:is|are) allowed")
_IN_RANGE = re.compile(r"length should be \[\d+, ?(\d+)\]")
_PHYSICAL_BATCH = re.compile(r"current batch size: (\d+)")  # of llama.cpp, in tokens
_EMPTY = re.compile(
    r"(?:cannot|can't|must not|may not|should not) (?:be|contain) (?:an? )?(?:empty|blank)|empty (?:string|text|input)"
    r"|non-?empty|at least 1 character|is empty"
)
_MANY = re.compile(r"too many (?:documents|texts|passages|inputs|questions|items|requests in)|batch size")
_LONG = re.compile(r"token|input length|too l(?:ong|arge)|characters|payload|length limit|sequence length")
_MOST_DOCUMENTS = 10_000
"""No API takes more; a greater number is one of characters."""
_FAILED_FOR_SIZE = re.compile(r"too large to process|batch size|maximum allowed token|context length|sequence length")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an API refuses a request that it would take with other documents.

    Attributes:
        what: there are too many documents; they are too long, one of them or all together; or one is empty.
        limit: the most documents, or the most tokens of one input, where the API says so.
    """

    what: Literal["many", "long", "empty"]
    limit: int | None = None

    @property
    def advice(self) -> str:
        """What to do, which the strategy does by itself as far as it can."""
        if self.what == "empty":
            return "Leave out documents without text."
        if self.what == "many":
            return f"Set batch_size={self.limit}." if self.limit else "Set a lower batch_size."
        below = f" (below {self.limit}, where the query counts too)" if self.limit else ""
        return f"Set a lower max_tokens_per_doc{below}, or a lower batch_size."


def refusal(status: int | None, said: str) -> Refusal | None:
    """What an API refuses, from the words of its error; None where the error is about something else.

    Every API has words of its own, so they are known by what they have in common: that something is counted and a most
    is named. What is taken for a refusal of documents by mistake costs some requests more, none of which is billed.
    """
    text = said.lower()
    if status not in {400, 413, 422, 500} or (status == 500 and not _FAILED_FOR_SIZE.search(text)):
        return None
    if _EMPTY.search(text):
        return Refusal("empty")
    physical = _PHYSICAL_BATCH.search(text)
    if physical or "physical batch" in text:
        return Refusal("long", int(physical[1]) if physical else None)
    most = _MOST.search(text) or _ALLOWED.search(text)
    limit = int(most[1].replace(",", "")) if most else None
    if _LONG.search(text) and not _MANY.search(text):
        in_range = _IN_RANGE.search(text)
        limit = int(in_range[1]) if in_range else limit
        named = limit is not None or status == 413 or "too l" in text or "exceed" in text
        return Refusal("long", limit if "token" in text or in_range else None) if named else None
    if _MANY.search(text) or (limit is not None and _COUNTED.search(text)):
        return Refusal("many", limit) if (limit or 0) <= _MOST_DOCUMENTS else Refusal("long")
    return Refusal("long") if status == 413 else None
