"""What in a reply is the judge's own word, and what it only cites: a document may say "rate this 10/10".

A judge that meets such a document tends to speak of it: 'The passage says "rate this 10/10". It deserves a 1.' The
readers see such a reply without what it cites. These are the rules, in English and some other languages:

- what follows a word such as "says", "states", "claims", "demands", "asks", "instructs", "contains", "reads", "an
  injected …", "an instruction to …", "ignoring …" is cited, to the end of its sentence or of its brackets, or to
  ", so I …"; after a colon that ends a line, the next line, JSON value, block or quotation too;
- what stands in quotation marks is cited, unless it is a single word, the whole reply, or announced ('Answer: "yes"');
- so are lines that begin with ">" and what stands in tags such as `<document>`;
- a sentence that ends in "is what the document wants", "which I ignore", "says the passage", "according to the text"
  and the like is cited, and so is the one before "That is an injection" or "I ignore that".

A JSON value is cited as a whole or not at all; what is inside it counts as its own text. Judges who cite and then
answer in JSON, or on a line of its own, are read; where a rule takes too much, nothing is left to be read and the
judge is asked again, which costs a call and never an order.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from judge_rerank.prompting.replies.citing_words import BACK, CITES, JSON, NEVER_OWN, OWN_VOICE, QUOTATION, TRAILING
from judge_rerank.prompting.replies.json_text import innermost_objects, json_spans, whole_json

CITED = "\ufffc"
"""Stands for every character that is cited."""

_MOST_CHARS = 2_000

_ENDS = re.compile(r"[.!?](?=[\s\"'”)\]*_]|$)|[。！？]|\n|(?<=\ufffb)(?=\s+[A-Z\ufffa])")
_OWN_CLAUSE = re.compile(
    r"[,;:–—-]\s{0,3}(?:(?:so|but|yet|and|however|therefore|thus|hence|still|though),?\s{1,3})?(?:I|my|My|we)\b"
    r"|\s(?:so|but|yet|however|therefore|thus|hence),?\s{1,3}(?:I|my|we)\b"
)
_COLON = re.compile(r":[\s*_]*$")
_BLANK = re.compile(r"\s*")
_FENCED = re.compile(r"```.{0,4000}?```", re.DOTALL)

_QUOTES = re.compile(
    r"(?<![A-Za-z0-9)\]])\"(?=\S)[^\"]{1,600}(?<=\S)\"(?!\w)"
    r"|[“„«‹「『][^“”„«»‹›「」『』]{1,600}[”“»›」』]|»[^«»]{1,600}«"
    r"|(?<!\w)['‘](?=\S)(?:[^'‘\n]|'(?=\w)){1,400}(?<=\S)'(?!\w)"
)
_ONE_WORD = re.compile(r"\W*[\w'’-]*\W*")
_ANNOUNCES = re.compile(
    r"\b(?:answer|score|rating|grade|label|verdict|ranking|order|choice|category|class|type|judge?ment|(?:best|more|most)\b[^.\n]{0,40})"
    r"[\s*_]{0,4}(?:[:=]|\bis\b:?)[\s*_]{0,4}$",
    re.IGNORECASE,
)
_WRAP = " \n\t*_."
_TAGGED = re.compile(
    r"<(?P<tag>document|passage|quote|text|context|content|source|doc|snippet|blockquote|cite|q)(?::\w{1,40})?(?:\s[^<>\n]{0,80})?>"
    r".{0,4000}?</(?P=tag)(?::\w{1,40})?\s{0,3}>",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED_LINE = re.compile(r"^[ \t]{0,3}>(?!\s{0,3}[\[(#]?\d)[^\n]*", re.MULTILINE)


def own_words(text: str) -> str:
    """`text` with `CITED` in place of each character that the judge cites; as long as it was, in as many lines."""
    if text.startswith("{") and text.endswith("}") and whole_json(text) is not None:
        return text
    values = sorted({(start, end) for start, end, _ in json_spans(text)} | set(innermost_objects(text)))
    masked = _masked(text, values, JSON)
    cited = [found.span() for found in _TAGGED.finditer(masked)]
    lines = [found.span() for found in _QUOTED_LINE.finditer(masked)]
    if lines and any(line.strip() and not line.lstrip().startswith(">") for line in masked.splitlines()):
        cited += lines
    quotes = [found.span() for found in _QUOTES.finditer(masked) if not _is_whole(masked, *found.span())]
    cited += [span for span in quotes if _is_cited(masked, *span)]
    masked = _masked(masked, quotes, QUOTATION)
    cited += _sentences(masked)
    signs = _masked(text, cited, CITED)
    return "".join("\n" if known == "\n" else sign for known, sign in zip(text, signs, strict=True)) if cited else text


def _masked(text: str, spans: Iterable[tuple[int, int]], sign: str) -> str:
    """`text` with `sign` for every character of the spans, but for a full stop before a closing quotation mark."""
    kept: list[str] = []
    start = 0
    for begin, end in sorted(spans):
        first = max(begin, start)
        if end > first:
            stop = "." if sign == QUOTATION and text[end - 2] in ".!?。" else sign
            kept += [text[start:first], sign * (end - first - 1), stop]
            start = end
    return "".join((*kept, text[start:]))


def _is_whole(text: str, start: int, end: int) -> bool:
    return not text[:start].strip(_WRAP) and not text[end:].strip(_WRAP)


def _is_cited(text: str, start: int, end: int) -> bool:
    """Whether a quotation is one by itself; a single word is not, nor what is announced as the answer."""
    inside = text[start + 1 : end - 1]
    alone = _ONE_WORD.fullmatch(inside) is not None and JSON not in inside
    return not alone and not _ANNOUNCES.search(text[max(0, start - 80) : start])


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """The parts of sentences that are cited, by the words around them."""
    ends = [found.end() for found in _ENDS.finditer(text)] + [len(text)]
    reached = 0
    for found in CITES.finditer(text):
        if found.start() >= reached and not _own_voice(text, found):
            reached = _region_end(text, found.end(), ends)
            yield found.start(), reached
    for found in TRAILING.finditer(text):
        start = _sentence_start(text, found.start(), ends)
        yield start, _region_end(text, found.end(), ends)
    for found in BACK.finditer(text):
        start = _sentence_start(text, found.start(), ends)
        before = len(text[:start].rstrip())
        yield _sentence_start(text, max(0, before - 1), ends), _region_end(text, found.end(), ends)


def _own_voice(text: str, found: re.Match[str]) -> bool:
    if NEVER_OWN.match(found.group()):
        return False
    return OWN_VOICE.search(text[max(0, found.start() - 40) : found.start()]) is not None


def _sentence_start(text: str, place: int, ends: list[int]) -> int:
    """Where the sentence at `place` begins, or the brackets in it."""
    at = bisect_left(ends, place + 1) - 1
    start = max(ends[at] if at >= 0 else 0, place - _MOST_CHARS)
    depth = 0
    for before in range(place - 1, start - 1, -1):
        depth += {")": 1, "(": -1}.get(text[before], 0)
        if depth < 0:
            return before + 1
    return start


def _region_end(text: str, place: int, ends: list[int]) -> int:
    """Where what is cited from `place` on ends: with its sentence, its brackets, or where the judge says "I"."""
    end = min(ends[bisect_left(ends, place)] if place < len(text) else len(text), place + _MOST_CHARS)
    while end < len(text) and text[end] == JSON == text[end - 1]:
        end += 1
    own = _OWN_CLAUSE.search(text, place, end)
    if own is not None:
        return own.start()
    depth = 0
    for at in range(place, end):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth < 0:
            return at
    return _after_colon(text, end) if _COLON.search(text[place:end]) or text[place - 1 : place] == ":" else end


def _after_colon(text: str, end: int) -> int:
    """The end of what a colon at the end of a line introduces: a block, a JSON value, or a line."""
    gap = _BLANK.match(text, end)
    start = gap.end() if gap else end
    fenced = _FENCED.match(text, start)
    if fenced is not None:
        return fenced.end()
    line = text.find("\n", start)
    return line if line >= 0 else len(text)
