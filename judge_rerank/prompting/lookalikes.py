"""What a text looks like: characters that show nothing, and characters that pass for others.

A mark can be hidden from a search by a character that nobody sees within it, or by letters and brackets of another
alphabet. So the unseen characters go, and marks are looked for in the plain form of a text, which has a character for
each of its characters: fullwidth, mathematical, circled and accented letters, digits and brackets as the ones that
they pass for, and the Cyrillic, Greek and Armenian letters that look like Latin ones as these.
"""

from __future__ import annotations

import re
import unicodedata

# Scripts in which a (non-)joiner between two letters changes the word: Arabic, those of India and their neighbours.
_JOINING = (
    r"\u0620-\u065f\u066e-\u06d3\u06fa-\u06ff\u0710-\u074f\u0750-\u07ff\u08a0-\u08e1\u0900-\u0dff\u0f40-\u0fbc"
    r"\u1000-\u109f\u1780-\u17b3\u17b6-\u17dd\u1820-\u18aa\u1a20-\u1aad\u1b00-\u1bff"
    r"\ua840-\ua8ff\ua980-\uaaff\ufb50-\ufdff\ufe70-\ufefc"
)
# Without those that pass for brackets or letters.
_EMOJI = (
    r"\u00a9\u00ae\u203c\u2049\u20e3\u2122\u2139\u2194-\u21aa\u231a\u231b\u2328\u23cf\u23e9-\u23fa\u25aa\u25ab"
    r"\u25fb-\u25fe\u2600-\u2767\u2794-\u27bf\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299"
    r"\U0001f000-\U0001f0ff\U0001f200-\U0001faff"
)
_UNSEEN_RANGES = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    r"\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_UNPRINTABLE = r"\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff"

UNSEEN = _UNSEEN_RANGES + _UNPRINTABLE
"""Characters that show nothing, as the inside of a character class: Unicode's default-ignorable ones, tags and marks of
direction among them, interlinear annotation, controls, and halves of characters."""

_UNSEEN = re.compile(f"[{UNSEEN}]")
_JOINERS = frozenset("\u200c\u200d\ufe0f")
_NEEDED = re.compile(
    rf"(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}])"
    rf"|(?:(?<=[{_EMOJI}])|(?<=[{_EMOJI}]\ufe0f))\u200d(?=[{_EMOJI}])"
    rf"|(?<=[{_EMOJI}])\ufe0f|(?<=[0-9#*])\ufe0f(?=\u20e3)"
)

_OPENING = {"<": "＜﹤‹〈〈⟨《⟪≪«❮❬❰⧼˂ᐸ⦑◁◀≺⋖⪡≮", "[": "［【〔〖〘〚⟦⁅❲⦋⦍⦏⦗﹝｢「『⌈⌊⸢⎡⎣"}
_CLOSING = {">": "＞﹥›〉〉⟩》⟫≫»❯❭❱⧽˃ᐳ⦒▷▶≻⋗⪢≯", "]": "］】〕〗〙〛⟧⁆❳⦌⦎⦐⦘﹞｣」』⌉⌋⸣⎤⎦"}
_LETTERS = {
    "a": "аαɑᴀ", "b": "ƅьʙ", "c": "сϲᴄց", "d": "ԁᴅ", "e": "еєεᴇ", "f": "ꜰғ", "g": "ɡɢ", "h": "һհʜ",
    "i": "іιıɩɪ", "j": "јᴊ", "k": "кκᴋ", "l": "ӏʟǀ", "m": "мᴍ", "n": "ոηпɴ", "o": "оοօσᴏ", "p": "рρᴘ",
    "q": "ԛզ", "r": "гʀ", "s": "ѕꜱ", "t": "тτᴛ", "u": "սυцᴜ", "v": "νѵᴠ", "w": "ԝωᴡ", "x": "хχ", "y": "уγʏ",
    "z": "ᴢ", "A": "АΑ", "B": "ВΒ", "C": "СϹ", "E": "ЕΕ", "H": "НΗ", "I": "ІΙ", "J": "Ј", "K": "КΚ", "M": "МΜ",
    "N": "Ν", "O": "ОΟՕ", "P": "РΡ", "S": "ЅՏ", "T": "ТΤ", "U": "Ս", "X": "ХΧ", "Y": "Υ", "Z": "Ζ",
}  # fmt: skip
_SIGNS = {
    "|": "｜￨∣│┃❘¦‖│┆┇┊┋╎╏║", "/": "／⁄∕⧸╱∖", "_": "＿▁‗", ":": "：꞉∶˸ː", "-": "‐‑‒–—−﹣－", "~": "～∼˜",
    "!": "！ǃ", "#": "＃", ".": "．", " ": "\u2800\u3000",
}  # fmt: skip

OPENING = "".join(("<[", *_OPENING.values()))
"""Every bracket that can open a mark, and those that pass for it."""

CLOSING = "".join((">]", *_CLOSING.values()))
"""Every bracket that can close one."""

COLONS = ":" + _SIGNS[":"]
"""Every colon."""


_MOST_KEPT = 50_000
_ALIKE = {
    each: plain for table in (_OPENING, _CLOSING, _LETTERS, _SIGNS) for plain, alike in table.items() for each in alike
}
_TABLE = {ord(each): plain for each, plain in _ALIKE.items()}
"""By character, what it passes for; more is added when it is first met."""
_COMBINING = re.compile("[\u200c\u200d\ufe0f\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")


def without_unseen(text: str) -> str:
    """`text` without characters that show nothing, but for joiners within words and emoji that need them."""
    return _UNSEEN.sub(_where_needed, text)


def _where_needed(found: re.Match[str]) -> str:
    return found[0] if found[0] in _JOINERS and _NEEDED.match(found.string, found.start()) else ""


def _table_for(text: str) -> dict[int, str]:
    """What every character of a text passes for. A dictionary that has them all is twice as fast as one that asks."""
    missing = set(map(ord, set(text))).difference(_TABLE)
    if not missing:
        return _TABLE
    found = {code: _looks_like(chr(code)) for code in missing}
    if len(_TABLE) + len(found) > _MOST_KEPT:
        return _TABLE | found
    _TABLE.update(found)
    return _TABLE


def _looks_like(character: str) -> str:
    plain = unicodedata.normalize("NFKD", character)
    bare = "".join([each for each in plain if not unicodedata.combining(each)]) if len(plain) > 1 else plain
    return _ALIKE.get(bare, bare) if len(bare) == 1 else character


class Plain:
    """The plain form of a text, and where in the text each of its characters is.

    Attributes:
        text: the plain form, without joiners, and accents that stand apart from their letter.
    """

    __slots__ = ("_places", "text")

    def __init__(self, text: str) -> None:
        self._places: list[int] | None = None
        if text.isascii():
            self.text = text
            return
        if _COMBINING.search(text):
            self._places = [place for place, each in enumerate(text) if not _COMBINING.match(each)]
            text = "".join([text[place] for place in self._places])
        self.text = text.translate(_table_for(text))

    def span(self, found: re.Match[str], group: int | str = 0) -> tuple[int, int]:
        """Where in the text stands what was found in its plain form."""
        start, end = found.span(group)
        if self._places is None or start == end:
            return start, end
        return self._places[start], self._places[end - 1] + 1
