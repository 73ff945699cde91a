"""Text within a text that people do not read and models do: encoded, spelled with digits, or invisible."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from judge_rerank.guarding.lexicon import lexicon
from judge_rerank.guarding.normalising import INVISIBLE

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{24,}={0,2}")
_HEX = re.compile(r"(?<![A-Za-z0-9])(?:(?:\\x|0x|%)?[0-9A-Fa-f]{2}[ :,]?){16,}")
_UNICODE = re.compile(r"(?:\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}|\\u\{[0-9A-Fa-f]{1,6}\}){5,}")
_ENTITIES = re.compile(r"(?:&#(?:\d{2,6}|x[0-9A-Fa-f]{2,5});){5,}")
_URL = re.compile(r"[^\s\"'<>]{0,200}%[0-9A-Fa-f]{2}[^\s\"'<>]{0,200}")
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")
_BINARY = re.compile(r"(?<!\d)(?:[01]{8}\s?){6,}")
_BYTE = re.compile(r"[01]{8}")
_SPACED = re.compile(r"(?<!\w)(?:\w[ .\-_]){7,}\w(?!\w)")
_DIGITS_IN_WORDS = re.compile(r"(?<!\w)[^\W\d_]*(?:[0134578@$!][^\W\d_]+)+[0134578@$!]?[^\W\d_]*(?!\w)")
_LEET_LETTER = re.compile(r"[0134578@$!][^\W\d_]")
_LEET = str.maketrans("0134578@$!", "oieastbasi")
_WORD = re.compile(r"[a-z]{4,}")
_TAGS = re.compile("[\U000e0020-\U000e007f]{2,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{3,}")
_HIDDEN = re.compile(
    r"<!--(?P<comment>.{8,600}?)-->|<(?P<tag>\w{1,12})\b[^<>]{0,200}?(?:display\s*:\s*none|visibility\s*:\s*hidden|"
    r"font-size\s*:\s*0|opacity\s*:\s*0|color\s*:\s*(?:white|#fff)|\bhidden\b)[^<>]{0,200}>(?P<held>[^<]{8,600})",
    re.IGNORECASE | re.DOTALL,
)
_OVERRIDES = re.compile("[\u202d\u202e][^\u202c\n]{0,400}\u202c?")
_BETWEEN_LETTERS = re.compile("(?<=[A-Za-z])[\u200b-\u200d\u2060-\u2064\ufeff]+(?=[A-Za-z])")
_LONG_RUN = re.compile("[\u200b-\u200f\u2060-\u206f\ufeff]{8,}")
_FLAG = "\U0001f3f4"
_FEWEST_BETWEEN = 3
_LEAST_PRINTABLE = 0.95
_FEWEST_DISGUISED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Disguise:
    """A part of a text that says something else than it shows.

    Attributes:
        start, end: where it stands.
        kind: how it is disguised, in words.
        text: what it says.
        certain: whether no honest text has it, whatever it says.
    """

    start: int
    end: int
    kind: str
    text: str
    certain: bool = False


def disguises(text: str) -> Iterator[Disguise]:
    """The disguised parts of a text, as they are found; they may overlap."""
    if not text.isascii() and INVISIBLE.search(text):
        yield from _invisible(text)
    yield from _encoded(text)
    yield from _spelled(text)


def _invisible(text: str) -> Iterator[Disguise]:
    for match in _TAGS.finditer(text):
        if text[match.start() - 1 : match.start()] != _FLAG:
            said = "".join([chr(ord(each) - 0xE0000) for each in match[0] if ord(each) < 0xE007F])
            yield _of(match, "invisible tag characters", said, certain=True)
    for match in _SELECTORS.finditer(text):
        said = bytes([_selected(each) for each in match[0]]).decode("utf-8", "replace")
        yield _of(match, "invisible variation selectors", said, certain=True)
    for match in _OVERRIDES.finditer(text):
        yield _of(match, "text shown in another direction", match[0][1:][::-1], certain=True)
    for match in _LONG_RUN.finditer(text):
        yield _of(match, "a run of invisible characters", "", certain=True)
    between = list(_BETWEEN_LETTERS.finditer(text))
    if len(between) >= _FEWEST_BETWEEN:
        start, end = between[0].start(), between[-1].end()
        kind = "words with invisible characters inside"
        yield Disguise(start=start, end=end, kind=kind, text=INVISIBLE.sub("", text[start:end]), certain=True)


def _selected(selector: str) -> int:
    code = ord(selector)
    return code - 0xFE00 if code < 0xE0100 else code - 0xE0100 + 16


def _encoded(text: str) -> Iterator[Disguise]:
    ways: list[tuple[bool, re.Pattern[str], str, Callable[[str], str]]] = [
        (True, _BASE64, "base64", _from_base64),
        (True, _HEX, "hexadecimal", _from_hex),
        ("\\" in text, _UNICODE, "unicode escapes", _from_escapes),
        ("&#" in text, _ENTITIES, "HTML entities", html.unescape),
        (bool(_ESCAPED.search(text)), _URL, "URL escapes", _from_url),
        (bool(_BYTE.search(text)), _BINARY, "binary", _from_binary),
    ]
    for worth, pattern, kind, decode in ways:
        for match in pattern.finditer(text) if worth else ():
            said = decode(match[0])
            if said and said != match[0]:
                yield _of(match, f"text in {kind}", said)
    for match in _HIDDEN.finditer(text) if "<" in text else ():
        yield _of(match, "text hidden by markup", match["comment"] or match["held"])


def _spelled(text: str) -> Iterator[Disguise]:
    for match in _SPACED.finditer(text):
        yield _of(match, "words with gaps between letters", _joined(match[0]))
    lowered, held = text.lower(), lexicon()
    # Nearly all texts have no such word: what they have is looked up at once, and where each stands only if it counts.
    known = held.disguised.keys() & set(_WORD.findall(lowered))
    for kind in ("rot13", "reversed"):
        words = {word for word in known if held.disguised[word] == kind}
        if len(words) >= _FEWEST_DISGUISED:
            found = [match for match in _WORD.finditer(lowered) if match[0] in words]
            start, end = found[0].start(), found[-1].end()
            part = text[start:end]
            said = codecs.encode(part, "rot13") if kind == "rot13" else part[::-1]
            yield Disguise(start=start, end=end, kind=f"text in {kind} letters", text=said)
    if not _LEET_LETTER.search(lowered):
        return
    leet = [match for match in _DIGITS_IN_WORDS.finditer(lowered) if match[0].translate(_LEET) in held.masks]
    if len(leet) >= _FEWEST_DISGUISED:
        start, end = leet[0].start(), leet[-1].end()
        said = _DIGITS_IN_WORDS.sub(lambda match: match[0].translate(_LEET), lowered[start:end])
        yield Disguise(start=start, end=end, kind="words spelled with digits", text=said)


def _joined(spelled: str) -> str:
    """Letters with gaps as words: the commonest gap is one between letters, the others are between words."""
    gaps = Counter(re.findall(r"[ .\-_]", spelled))
    return spelled.replace(gaps.most_common(1)[0][0], "")


def _of(match: re.Match[str], kind: str, said: str, *, certain: bool = False) -> Disguise:
    return Disguise(start=match.start(), end=match.end(), kind=kind, text=said, certain=certain)


def _from_base64(given: str) -> str:
    body = given.rstrip("=").replace("-", "+").replace("_", "/")
    body = body[: len(body) - (len(body) % 4 == 1)]
    try:
        return _readable(base64.b64decode(body + "=" * (-len(body) % 4)))
    except (binascii.Error, ValueError):
        return ""


def _from_hex(given: str) -> str:
    digits = re.sub(r"\\x|0x|[%\s:,]", "", given)
    return _readable(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _from_binary(given: str) -> str:
    return _readable(bytes([int(each, 2) for each in re.findall("[01]{8}", given)]))


def _from_escapes(given: str) -> str:
    codes: Sequence[str] = re.findall(r"\\[uU]\{?([0-9A-Fa-f]+)", given)
    return "".join(
        [chr(int(code, 16)) for code in codes if int(code, 16) < 0x110000 and not 0xD800 <= int(code, 16) < 0xE000]
    )


def _from_url(given: str) -> str:
    said = unquote(given)
    return said.replace("+", " ") if " " not in said else said


def _readable(said: bytes) -> str:
    """The bytes as text; "" where they are none."""
    try:
        text = said.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    shown = sum([each.isprintable() or each in "\n\t" for each in text])
    return text if shown >= _LEAST_PRINTABLE * len(text) and any(map(str.isalpha, text)) else ""
