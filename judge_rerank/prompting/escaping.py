"""Makes outside text safe to stand in a prompt: it keeps its words and loses the marks that would give it a voice.

What is changed, and nothing else:

- line ends of every kind become a newline; other control characters and lone surrogates go;
- special tokens of chat models (`<|im_start|>`, `[INST]`, `<start_of_turn>`, `</s>`) get round brackets, since some
  servers read them as tokens even in the middle of a message: `(|im_start|)`;
- so do the marks of thinking aloud that readers of replies know (see `judge_rerank.prompting.thinking`);
- so do the tags that a template puts around documents, opening and closing, however spelled: `</ Document >`;
- so do numbers in square brackets, which a listwise prompt uses as the names of documents: `[3]` becomes `(3)`.

The work is linear in the length of the text, and quoting a quoted text changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from judge_rerank.prompting.thinking import AFTER_ANGLE, AFTER_SQUARE, LOZENGE

TAGS = frozenset({"query", "document", "documents", "example", "examples"})
"""The tags that the built-in templates use."""

_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]+")
_ROUND = str.maketrans("<>[]◁▷", "()()()")

# White space and characters that show nothing, which a reader does not see inside a tag.
_GAP = r"[\s\u00ad\u180e\u200b-\u200f\u2060-\u2064\ufe0f\ufeff]*+"

_ANGLE_TOKENS = (
    r"s|bos|eos|pad|unk|mask|cls|sep|sop|eop|eot|eod|eoa|eoh|role|[a-z]{2,5}_token|"
    r"(?:start|end)_of_(?:turn|image|audio|text|role)|begin_of_text|image_soft_token|audio_soft_token|"
    r"tools?|tool_(?:calls?|responses?|results?|declaration)|__(?:media|image|audio)__|"
    r"(?:fim_(?:prefix|middle|suffix|pad))|file_sep|repo_name|reponame|gh_stars|"
    r"(?:unused|extra_id_|reserved_|special_|tokens_unused_|dummy)\d{1,6}|seed:[a-z_]{1,30}|mask:\d{1,3}"
)
_SQUARE_TOKENS = (
    r"inst|system_prompt|available_tools|tool_(?:calls?|results?|content)|args|call_id|model_settings|"
    r"img|img_break|img_end|audio|begin_audio|prefix|middle|suffix|g?mask|smask|cls|sep|pad|unk|bos|eos"
)
_AFTER_ANGLE = rf"""
    [|｜] (?: [^\s<>\[\]|｜]{{1,80}} [|｜]> )?    # <|im_start|>, <|turn>, and whatever else begins like them
  | [\w▁:./-]{{1,80}} [|｜]>                      # <turn|>
  | /? (?: {_ANGLE_TOKENS} ) >
  | </? sys >>                                   # <<SYS>>
  | \[ [^\s<>\[\]]{{1,80}} \]>                   # <[begin▁of▁sentence]>
  | {AFTER_ANGLE}                                # <think>
"""
_AFTER_SQUARE = rf"""
    \s*+ \d++ \s*+ \]
  | /? (?: {_SQUARE_TOKENS} ) \]
  | [|｜] /? \w{{1,40}} [|｜]\]                    # [|assistant|]
  | e~\[                                         # [e~[
  | {AFTER_SQUARE}                               # [THINK]
"""


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
    return [marks.sub(_rounded, _UNPRINTABLE.sub("", _LINE_END.sub("\n", text))) for text in texts]


@lru_cache(maxsize=64)
def _marks(tags: frozenset[str]) -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name in sorted(tags))
    tag = rf"{_GAP} /?+ {_GAP} (?:{names})(?![\w-]) (?: {_GAP} /?+ {_GAP} > )?"
    minimax = r"\] ~!? [a-z] ~? [\[\]]"  # ]~b]
    return re.compile(
        rf"<(?: {tag} | {_AFTER_ANGLE}) | \[(?: {_AFTER_SQUARE}) | {LOZENGE} | {minimax}", re.IGNORECASE | re.VERBOSE
    )


def _rounded(match: re.Match[str]) -> str:
    return match[0].translate(_ROUND)
