"""The marks between which models think aloud: one list, for the reader of replies and for the escaper of documents.

What a model thinks is no answer: the reader drops it, numbers and rankings included. A document that carries such a
mark could hide what follows, so the escaper takes the marks from documents. Known are

- tags, `<think>`, `<thinking>`, `<mm:think>`, `<seed:think>`, `<reasoning>`, `<reflection>`, `<scratchpad>` and their
  likes, with attributes or without, and in pipes (`<|think|>`);
- `<unused94>thought` … `<unused95>` of MedGemma;
- `[THINK]` of Mistral, `◁think▷` of Kimi, and the pairs `<|begin_of_thought|>` and `<|end_of_thought|>`,
  `<|START_THINKING|>` and `<|END_THINKING|>`, `<|inner_prefix|>` and `<|inner_suffix|>`;
- channels: `<|channel|>analysis<|message|>` … `<|channel|>final<|message|>` of gpt-oss, also with its special tokens
  lost ("analysis … assistantfinal"), `<|channel>thought` … `<channel|>` of Gemma, `to=self<|message|>`;
- "Thinking..." at the very beginning, until "...done thinking.", as the command line of Ollama prints it;
- a Markdown block of the language `thinking`, and `<details type="reasoning">` of web interfaces.

A mark that closes what none opened ends thinking that the chat template began, so all before it goes too. Marks close
each other whatever their kind, as models mix them up.
"""

from __future__ import annotations

import re

_WORDS = (
    r"(?:think|thinking|thoughts?|reasoning|reflections?|reflect|scratch[_-]?pad|analysis|cot|chain[_-]of[_-]thoughts?"
    r"|(?:inner|internal)[_-](?:monologue|thoughts?|reasoning|thinking)|monologue|deliberation|rumination"
    r"|(?:thought|thinking|reasoning)[_-]process|longcat[_-]think|antthinking|think[_-](?:fast|faster|never)"
    r"|cot_budget_reflect)"
)
_SPACE = r"\s{0,3}"

AFTER_ANGLE = (
    rf"{_SPACE}/?{_SPACE}[|｜]?(?:[a-z_]{{1,12}}:)?{_WORDS}(?:\s[^<>\n]{{0,80}})?{_SPACE}/?[|｜]?>"
    r"|details\s[^<>\n]{0,40}reasoning[^<>\n]{0,80}>"
    r"|/details>"
)
"""What follows `<` in a mark that documents can carry."""

AFTER_SQUARE = rf"{_SPACE}/?{_SPACE}(?:think|thinking|thoughts?|reasoning|reflection|scratch[_-]?pad){_SPACE}\]"
"""What follows `[`."""

LOZENGE = rf"◁{_SPACE}/?{_SPACE}think(?:ing)?{_SPACE}▷"
"""The mark of Kimi."""

_TOPIC = r"(?:thought|thinking|think|reasoning|reflection)"
_OPEN = (
    rf"<[|｜]?(?:(?:begin|start)[_▁]of[_▁]{_TOPIC}|(?:begin|start)[_▁]{_TOPIC}|{_TOPIC}[_▁](?:begin|start)|inner_prefix)[|｜]?>"
    r"|to=self<\|message\|>|<unused94>(?:thought)?"
)
_CLOSE = rf"<[|｜]?(?:end[_▁]of[_▁]{_TOPIC}|end[_▁]{_TOPIC}|{_TOPIC}[_▁]end|inner_suffix)[|｜]?>|<channel\|>|<unused95>"
_FINAL = r"to=user<\|message\|>"
_CHANNEL = (
    r"<\|channel\|?>\s{0,3}(?P<channel>[a-z_]{0,20})[^<>\n]{0,60}(?:<\|constrain\|>[^<>\n]{0,40})?(?:<\|message\|>)?"
)
_MARK = re.compile(
    rf"(?P<tag><(?:{AFTER_ANGLE})|\[(?:{AFTER_SQUARE})|{LOZENGE})|(?P<open>{_OPEN})|(?P<close>{_CLOSE})|(?P<final>{_FINAL})"
    rf"|{_CHANNEL}",
    re.IGNORECASE,
)
_CLOSING_TAG = re.compile(r"[<\[◁]\s{0,3}/")
_SPOKEN_OPEN = re.compile(r"\W{0,8}thinking\W{0,3}(?:\.{2,3}|…)", re.IGNORECASE)
_SPOKEN_CLOSE = re.compile(r"(?:\.{2,3}|…)\s{0,3}done thinking\b[.*_]{0,4}", re.IGNORECASE)
_LOST_TOKENS = re.compile(r"\s{0,8}analysis(?=[A-Z\s])")
_LOST_FINAL = "assistantfinal"
_BLOCK = re.compile(rf"```[ \t]{{0,4}}{_WORDS}[ \t]{{0,4}}\n", re.IGNORECASE)
_BLOCK_END = re.compile(r"```")


def without_thinking(text: str) -> str | None:
    """`text` outside thinking; None where thinking is still open at its end."""
    spoken = _without_blocks(text)
    spoken = None if spoken is None else _without_spoken(spoken)
    return None if spoken is None else _without_marked(spoken)


def _without_marked(text: str) -> str | None:
    kept: list[str] = []
    start, inside = 0, False
    for mark in _MARK.finditer(text):
        kind = _kind(mark)
        if kind == "final" or (kind == "close" and not inside):
            kept.clear()
        elif not inside:
            kept.append(text[start : mark.start()])
        inside = kind == "open" or (inside and kind == "empty")
        start = mark.end()
    return None if inside else "".join((*kept, text[start:]))


def _kind(mark: re.Match[str]) -> str:
    """What a mark does: it opens or closes thinking, opens the answer ("final"), or nothing ("empty": `<think/>`)."""
    tag = mark["tag"]
    if tag:
        return "close" if _CLOSING_TAG.match(tag) else "empty" if tag.endswith("/>") else "open"
    if mark["channel"] is not None:
        return "final" if mark["channel"].lower().startswith("final") else "open"
    return "open" if mark["open"] else "close" if mark["close"] else "final"


def _without_spoken(text: str) -> str | None:
    """`text` after "Thinking... ...done thinking.", or after the words that are left of lost channel tokens."""
    if _SPOKEN_OPEN.match(text):
        done = _SPOKEN_CLOSE.search(text)
        return None if done is None else text[done.end() :]
    final = text.rfind(_LOST_FINAL)
    if final >= 0 and _LOST_TOKENS.match(text):
        return text[final + len(_LOST_FINAL) :]
    return text


def _without_blocks(text: str) -> str | None:
    kept: list[str] = []
    start = 0
    while (opening := _BLOCK.search(text, start)) is not None:
        closing = _BLOCK_END.search(text, opening.end())
        if closing is None:
            return None
        kept.append(text[start : opening.start()])
        start = closing.end()
    return "".join((*kept, text[start:]))
