"""Which languages texts are in: by their letters, and in Latin script by their commonest words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar
from unicodedata import normalize

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "am": "Amharic",
        "ar": "a language in Arabic script",
        "bn": "Bengali",
        "ca": "Catalan",
        "cs": "Czech",
        "da": "Danish",
        "de": "German",
        "el": "Greek",
        "en": "English",
        "es": "Spanish",
        "et": "Estonian",
        "fi": "Finnish",
        "fr": "French",
        "gu": "Gujarati",
        "he": "Hebrew",
        "hi": "a language in Devanagari",
        "hr": "Croatian",
        "hu": "Hungarian",
        "hy": "Armenian",
        "id": "Indonesian",
        "it": "Italian",
        "ja": "Japanese",
        "ka": "Georgian",
        "km": "Khmer",
        "kn": "Kannada",
        "ko": "Korean",
        "lo": "Lao",
        "lt": "Lithuanian",
        "lv": "Latvian",
        "ml": "Malayalam",
        "my": "Burmese",
        "nl": "Dutch",
        "no": "Norwegian",
        "or": "Odia",
        "pa": "Punjabi",
        "pl": "Polish",
        "pt": "Portuguese",
        "ro": "Romanian",
        "ru": "a language in Cyrillic script",
        "si": "Sinhala",
        "sk": "Slovak",
        "sl": "Slovenian",
        "sv": "Swedish",
        "sw": "Swahili",
        "ta": "Tamil",
        "te": "Telugu",
        "th": "Thai",
        "tl": "Tagalog",
        "tr": "Turkish",
        "vi": "Vietnamese",
        "zh": "Chinese",
    }
)
"""Every language that is distinguished, by its ISO 639-1 code. A script of several goes by its commonest one."""

_SCRIPTS = {
    "Arabic": "ar",
    "Armenian": "hy",
    "Bengali": "bn",
    "Cyrillic": "ru",
    "Devanagari": "hi",
    "Ethiopic": "am",
    "Georgian": "ka",
    "Greek": "el",
    "Gujarati": "gu",
    "Gurmukhi": "pa",
    "Han": "zh",
    "Hangul": "ko",
    "Hebrew": "he",
    "Hiragana": "ja",
    "Kannada": "kn",
    "Katakana": "ja",
    "Khmer": "km",
    "Lao": "lo",
    "Latin": "",
    "Malayalam": "ml",
    "Myanmar": "my",
    "Oriya": "or",
    "Sinhala": "si",
    "Tamil": "ta",
    "Telugu": "te",
    "Thai": "th",
}
# A character of these says as much as several letters of an alphabet.
_DENSE = {"Han": 3, "Hangul": 2, "Hiragana": 2, "Katakana": 2}

_COMMON_WORDS = {
    "ca": "el|la|els|les|de|del|dels|i|que|en|una|amb|per|no|és|són|com|més|però|aquest|aquesta|seva|va|ser",
    "cs": "a|v|na|se|je|že|to|s|z|do|pro|si|jako|byl|byla|které|nebo|jsou|ale|při|jeho|také|po|který",
    "da": "og|i|at|er|en|et|den|det|til|på|for|af|med|som|ikke|der|var|har|fra|blev|også|eller|deres",
    "de": "der|die|das|und|ist|in|den|von|mit|zu|für|auf|nicht|ein|eine|des|dem|im|sich|als|auch|wird|sind|oder|nach",
    "en": "the|of|and|to|in|is|that|for|was|on|with|as|by|it|are|at|from|this|be|or|an|which|not|have|what|how|who",
    "es": "el|la|los|las|de|del|y|en|que|un|una|se|por|con|para|es|no|su|al|como|más|fue|está|son|qué|lo",
    "et": "ja|on|ei|et|see|oma|ta|ka|kui|mis|oli|aga|või|kes|selle|ning|tema|siis",
    "fi": "ja|on|ei|se|että|oli|hän|mutta|kun|joka|tai|myös|ovat|ole|sen|niin|kuin|jotka|hänen|mikä",
    "fr": "le|la|les|de|des|du|et|est|en|un|une|que|qui|dans|pour|pas|sur|au|aux|par|avec|il|ce|plus|sont|cette|ou",
    "hr": "i|u|je|na|se|da|su|za|od|s|kao|koji|koja|koje|ili|ali|bio|bila|nije|što|iz|po|ne|to",
    "hu": "a|az|és|hogy|nem|is|egy|van|volt|meg|ez|de|ha|vagy|mint|csak|már|azt|amely|aki",
    "id": "yang|dan|di|dari|untuk|dengan|ini|itu|pada|adalah|dalam|tidak|akan|ke|oleh|sebagai|juga|atau|telah",
    "it": "il|lo|la|i|gli|le|di|del|della|e|è|che|in|un|una|per|non|con|si|da|al|dei|nel|sono|anche|come|più|ha",
    "lt": "ir|yra|kad|į|iš|su|tai|bei|buvo|kaip|bet|ar|jo|ne|apie|nuo|po|pagal",
    "lv": "un|ir|ka|no|uz|ar|par|kas|tas|bija|kā|arī|vai|bet|lai|to|viņš|tika",
    "nl": "de|het|een|en|van|in|is|dat|op|te|zijn|met|voor|niet|die|aan|er|door|als|bij|ook|wordt|of|naar|uit",
    "no": "og|i|det|er|på|en|et|som|til|for|av|med|den|ikke|å|var|har|fra|ble|også|eller|han|seg",
    "pl": "i|w|na|z|do|się|nie|jest|że|to|o|jak|po|od|przez|dla|oraz|jego|był|była|które|lub|a|są",
    "pt": "o|a|os|as|de|do|da|dos|das|e|em|que|um|uma|no|na|por|com|para|é|não|se|ao|mais|foi|são|como|sua|ou",
    "ro": "și|în|de|la|a|cu|pe|că|nu|este|o|un|din|pentru|care|mai|au|fost|sunt|al|sau|prin|ca",
    "sk": "a|v|na|sa|je|že|to|s|z|do|pre|si|ako|bol|bola|ktoré|alebo|sú|ale|pri|jeho|aj|po|ktorý",
    "sl": "in|v|je|na|se|da|so|za|ki|z|pa|kot|ali|ne|bil|bila|tudi|od|po|iz|kar|to",
    "sv": "och|i|att|det|är|en|ett|som|på|för|av|med|den|till|inte|har|var|från|om|också|eller|blev|de",
    "sw": "na|ya|wa|kwa|ni|katika|la|za|kuwa|cha|hii|kama|au|yake|wake|pia|hiyo",
    "tl": "ang|ng|sa|na|mga|at|ay|hindi|ito|para|ni|kay|si|may|isang|kung",
    "tr": "ve|bir|bu|için|ile|olarak|da|de|ne|gibi|daha|olan|en|çok|ise|veya|ancak|sonra|kadar|değil",
    "vi": "và|của|là|các|có|được|trong|cho|một|không|những|người|với|này|để|khi|từ|đã|như|về",
}
_CHARACTERS, _TEXTS = 400, 40
_Text = TypeVar("_Text")
_SHARE = 0.2


def sampled(texts: Sequence[_Text]) -> Sequence[_Text]:
    """The ones of many texts, or of what has them, by which `languages_of` tells the languages; at most 79."""
    return texts[:: max(1, len(texts) // _TEXTS)]


def languages_of(query: str, texts: Sequence[str]) -> frozenset[str]:
    """The languages that a ranking has to do with, by their codes in `NAMES`: those of at least a fifth of the texts,
    and the query's.

    A text or a query about which too little can be seen counts for no language. A query in Latin script is too short
    to be told from another language in it, so it counts where the texts tell nothing.
    """
    sample = sampled(texts)
    found = Counter(language for text in sample if (language := language_of(text)))
    if found.total() < _SHARE * len(sample):  # each tells too little alone
        found = Counter(language for language in [language_of(" ".join(sample), _CHARACTERS * 10)] if language)
    languages = {language for language, count in found.items() if count >= _SHARE * found.total()}
    asked = language_of(query)
    if asked and (not languages or asked in _SCRIPTS.values()):
        languages.add(asked)
    return frozenset(languages)


def language_of(text: str, characters: int = _CHARACTERS) -> str:
    """The code of the language that the first characters of a text are in; "" where they do not tell."""
    shown = text[:characters]
    if shown.isascii():
        return _by_words(shown)
    shown = normalize("NFC", shown)
    script = _script(shown)
    return _by_words(shown) if script == "Latin" else _SCRIPTS.get(script, "")


def named(languages: Iterable[str]) -> str:
    """Languages, for people."""
    return " and ".join(sorted({NAMES.get(language, language) for language in languages}))


def _script(text: str) -> str:
    """The script that most of a text is in; "" without letters."""
    letters = Counter[str]()
    for match in _letters().finditer(text):
        letters[str(match.lastgroup)] += (match.end() - match.start()) * _DENSE.get(str(match.lastgroup), 1)
    kana = letters["Hiragana"] + letters["Katakana"]
    if kana and kana >= letters["Han"] / 10:
        letters["Hiragana"] += letters["Han"] + letters["Katakana"]
        letters["Han"] = letters["Katakana"] = 0
    if not letters.total():
        return ""
    script, most = letters.most_common(1)[0]
    return script if most >= letters.total() / 2 else ""


def _by_words(text: str) -> str:
    """The language in whose commonest words a text in Latin script is rich, if it is one alone."""
    words: list[str] = _latin_words().findall(text.casefold())
    counts, different = Counter[str](), Counter[str]()
    for word, count in Counter(words).items():
        for language in _languages_by_word().get(word, ()):
            counts[language] += count
            different[language] += 1
    if not counts:
        return ""
    best = max(counts, key=lambda language: (different[language], counts[language]))
    # The more different words there are, the smaller a share of the text cannot be chance.
    if different[best] < 3 or counts[best] < (_SHARE if different[best] < 6 else _SHARE / 2) * len(words):
        return ""
    foreign = best != "en" and different["en"] * 2 > different[best]
    return "" if foreign else best


@cache
def _languages_by_word() -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for language, words in _COMMON_WORDS.items():
        for word in words.split("|"):
            found.setdefault(word, []).append(language)
    return found


@cache
def _letters() -> Any:
    import regex  # only texts beyond ASCII need it

    return regex.compile("|".join(rf"(?P<{script}>\p{{{script}}}+)" for script in _SCRIPTS))


@cache
def _latin_words() -> Any:
    import re

    return re.compile(r"[^\W\d_]+")
