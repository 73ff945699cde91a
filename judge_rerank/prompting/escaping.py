"""Makes outside text safe to stand in a prompt: it keeps its words and loses the marks that would give it a voice.

What is changed, and nothing else:

- line ends of every kind become a newline; characters that show nothing go (see `judge_rerank.prompting.lookalikes`),
  so that no mark can be hidden in them;
- special tokens of chat models (`<|im_start|>`, `[INST]`, `<start_of_turn>`, `</s>`) get round brackets, since some
  servers read them as tokens even in the middle of a message: `(|im_start|)` (see
  `judge_rerank.prompting.special_tokens`);
- so do the marks of thinking aloud that readers of replies know (see `judge_rerank.prompting.thinking`);
- so do the tags that a template puts around documents, opening and closing, however spelled: `</ Document >`;
- so do the names of documents in square brackets: `[3]` becomes `(3)`, `[Document 2]` `(Document 2)`, `[B]` `(B)`;
- so does a role that begins a line, `Assistant:`, as in chat templates that have no tokens for it: `(Assistant):`.

All of these are found in whatever brackets and letters pass for the usual ones: `＜／ｄｏｃｕｍｅｎｔ＞`, `【2】`.

The work is linear in the length of the text, and quoting a quoted text changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from judge_rerank.prompting import special_tokens, thinking
from judge_rerank.prompting.lookalikes import CLOSING, COLONS, OPENING, UNSEEN, Plain, without_unseen

TAGS = frozenset({"query", "document", "documents", "example", "examples"})
"""The tags that the built-in templates use."""

_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_OPENS = re.escape(OPENING)
# What a text has to have in it for anything but a role to be changed; every mark has one of the latter.
_SUSPICIOUS = re.compile(f"[\r\x0b\x0c\u2028\u2029{UNSEEN}{_OPENS}\\]]")
_MARKED = re.compile(f"[{_OPENS}\\]]")
_ROUND = str.maketrans({**dict.fromkeys(OPENING, "("), **dict.fromkeys(CLOSING, ")")})

_DOCUMENT = (
    r"(?:documents?|docs?|passages?|texts?|snippets?|chunks?|candidates?|results?|sources?|items?|ids?|no|number|rank)"
)
_AFTER_ANGLE = rf"{special_tokens.AFTER_ANGLE} | {thinking.AFTER_ANGLE} | /? (?:answer|verdict|score|rating|grade) >"
_AFTER_SQUARE = rf"""
    \s*+ (?: {_DOCUMENT} [\s_.\#:-]{{0,3}} )? \#? \s*+ \d++ \s*+ \]
  | \s*+ (?: {_DOCUMENT} [\s_.\#:-]{{0,3}} )? (?-i:[A-Z]) \s*+ \]
  | {special_tokens.AFTER_SQUARE}
  | {thinking.AFTER_SQUARE}
"""
# What may be a role: the few characters between the beginning of a line and a colon.
_SPEAKER = re.compile(rf"\n([^\n{COLONS}]{{2,48}})(?=[{COLONS}])")
_ROLE = re.compile(
    rf"[ \t]{{0,8}}(?:[#>*_-]{{1,6}}[ \t]{{0,3}}){{0,2}}(?P<role>{special_tokens.ROLES})[ \t*_]{{0,4}}", re.IGNORECASE
)


def quote(text: str, *, tags: Iterable[str] = ()) -> str:
    """The text with everything defused that could pose as a part of the prompt or of the conversation.

    Args:
        text: a query, or a document's title or text.
        tags: names of the tags that the prompt puts around text, besides `TAGS`.
    """
    return quoted([text], tags=tags)[0]


def quoted(texts: Iterable[str], *, tags: Iterable[str] = ()) -> list[str]:
    """`quote` for all texts of one prompt, in order."""
    marks = _marks(TAGS.union(tags))
    return [_quoted(text, marks) for text in texts]


def _quoted(text: str, marks: re.Pattern[str]) -> str:
    if _SUSPICIOUS.search(text):
        text = without_unseen(_LINE_END.sub("\n", text))
        if _MARKED.search(text):
            text = _rounded(text, marks)
    return _SPEAKER.sub(_without_role, f"\n{text}")[1:]  # the beginning of the text begins a line


def _rounded(text: str, marks: re.Pattern[str]) -> str:
    """`text` with round brackets in the place of those of marks, which are looked for in its plain form."""
    plain = Plain(text)
    kept: list[str] = []
    done = 0
    for found in marks.finditer(plain.text):
        start, end = plain.span(found)
        kept += (text[done:start], text[start:end].translate(_ROUND))
        done = end
    return "".join((*kept, text[done:])) if kept else text


def _without_role(line: re.Match[str]) -> str:
    plain = Plain(line[1])
    found = _ROLE.fullmatch(plain.text)
    if found is None:
        return line[0]
    start, end = plain.span(found, "role")
    return f"\n{line[1][:start]}({line[1][start:end]}){line[1][end:]}"


@lru_cache(maxsize=64)
def _marks(tags: frozenset[str]) -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name in sorted(tags))
    ends = r"(?! [^\W\d_] | -[^\W\d_] )"
    tag = rf"\s*+ /?+ \s*+ (?:{names}) {ends} (?: \s*+ /?+ \s*+ > | : \w{{1,40}} > )?"
    square_tag = rf"\s*+ /?+ \s*+ (?:{names}) \s*+ /?+ \s*+ \]"
    return re.compile(
        rf"<(?: {tag} | {_AFTER_ANGLE}) | \[(?: {square_tag} | {_AFTER_SQUARE}) | {special_tokens.OTHERS}",
        re.IGNORECASE | re.VERBOSE,
    )
