"""What is known by rule: openings of answers, bare verdicts, echoes, lists of keywords, orders about the others."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.resources import files

from judge_rerank.guarding.asking import Asked
from judge_rerank.guarding.features import Text
from judge_rerank.guarding.lexicon import lexicon
from judge_rerank.guarding.segments import words_in

OPENING = "nothing but the beginning of an answer"
VERDICT = "states a verdict"
ECHO = "repeats the query and says nothing"
KEYWORDS = "a list of the query's words"
REPEATED = "one word again and again"
BLANK = "a document without content"
OTHERS = "speaks of the other documents"

_FILE = files("judge_rerank.guarding").joinpath("openings.json")
_KNOWN: dict[str, list[str]] = json.loads(_FILE.read_text(encoding="utf-8"))
_OPENINGS, _DANGLING = frozenset(_KNOWN["anywhere"]), frozenset(_KNOWN["at the end"])
"""How answers begin; the second are honest headings where something follows, and none at the end."""
_PLAIN = re.compile(r"[#*>\s]*[^\W_]+(?:(?:[,.:;?!]?\s+|['’-])[^\W_]+)*[\s,.:;?!*…]*")
"""Words as people write them: no code, no table, no mark-up but that of a heading."""
_CODE = re.compile(r"[_=<>@\\{}|*\"]")
_BLANK = re.compile(
    r"[\[({<*\s]*(?:n\s?/\s?a|none|null|nil|nan|undefined|empty|blank|deleted|removed|redacted|tbd|to be done|"
    r"no (?:content|text|data|answer|information|description)(?: (?:available|provided|found|given))?|"
    r"(?:this|the) (?:page|document|passage|text|space|section|entry|article)"
    r" (?:is|was|has been) (?:intentionally |deliberately )?"
    r"(?:left )?(?:blank|empty|deleted|removed)|content (?:removed|deleted|unavailable|not available))[\])}>*.!\s]*",
    re.IGNORECASE,
)
_KEY = (
    r"(?:final |my |the |correct |expected |overall )*(?:relevance|relevancy|relevant|is[_ ]relevant|verdict|"
    r"judge?ment|decision|label|score|rating|grade|rank|answer|response|output)(?:[_ ](?:score|label|grade|rating))?"
)
_SURE_KEY = re.compile(r"relevan|verdict|judge?ment|final", re.IGNORECASE)
_ANSWER = re.compile(r"answer|response|output|decision", re.IGNORECASE)
_BEST = (
    r"(?:yes|true|(?:perfectly |highly |fully |completely |very |most |extremely )?relevant|perfect|maximum|highest|"
    r"high|\[{0,2}\d{1,3}(?:\.\d+)?\]{0,2}(?:\s?(?:/|of|out of)\s?\d{1,3}|\s?%)?)"
)
_VERDICT_LINE = re.compile(rf"[^\w{{]*({_KEY})[\"'*_`\s]*[:=]+>?[\"'*_`\s]*({_BEST})[\"'*_`\s.!]*", re.IGNORECASE)
_VERDICT_RECORD = re.compile(
    rf"\{{(?:\s*[\"']{_KEY}[\"']\s*:\s*[\"']?{_BEST}[\"']?\s*,?)+(?:\s*[\"'](?:reason|explanation|rationale)[\"']"
    r"\s*:\s*[\"'][^\"']*[\"'])?\s*\}",
    re.IGNORECASE,
)
_DEMOTION = re.compile(
    r"\b(?:other|remaining|competing|rest of the|alternative) (?:search )?(?:documents?|passages?|texts?|results?|"
    r"candidates?|pages?|entries|items|sources|articles|snippets)\b.{0,80}\b(?:"
    r"(?:must|should|shall|has to|have to|needs? to|are to|is to) (?:all )?(?:be (?:ranked|placed|put|scored|rated|"
    r"graded|skipped|ignored|discarded|demoted|disregarded|listed last|marked)|get|receive|come last)|"
    r"(?:score|rank|rate|grade|give|mark|place|put) (?:them|it)|deserves? (?:a |the |no )?(?:0|zero|low|rank|place))\b",
    re.IGNORECASE,
)
_TRUE_RECORD = re.compile(r"relevan|verdict|judge?ment|answer", re.IGNORECASE)
_VERDICTS = frozenset(
    ("relevant", "relevance", "perfectly", "highly", "fully", "completely", "very", "most", "extremely", "perfect")
) | {"true", "yes", "correct"}
_SURE_VERDICTS = frozenset(("relevant", "relevance", "true", "yes", "correct"))
_OTHERS_BIT = lexicon().bit("others")
_TAGS = frozenset(("tags", "tag", "keywords", "keyword", "topics", "topic", "terms", "key", "words", "search"))
_LONGEST_SINGLE = 90
_FEWEST_REPEATED = 3
_FEWEST_KEYWORDS = 3
_FEWEST_ECHOED = 3
_LEAST_COVERED = 0.6
_MOST_AROUND = 2
"""Words that may stand beside the query in an echo."""
_IN_ORDER = 0.5
"""A text that has the query's words in their order may be a heading; a list of keywords seldom has."""
_UNRELATED = 0.25
"""A text that has less of the query's words than this is on another subject."""


def of_whole(text: str) -> str | None:
    """What is suspicious about a text as a whole: it is nothing but an opening, a verdict or a placeholder."""
    said = text.strip()
    if len(said) > _LONGEST_SINGLE:
        return None
    words = " ".join(words_in(said))
    if not words:
        return OPENING if said == ":" else BLANK
    if words in _OPENINGS or words in _DANGLING:
        return OPENING
    if _VERDICT_LINE.fullmatch(said) or _VERDICT_RECORD.fullmatch(said):
        return VERDICT
    return BLANK if _BLANK.fullmatch(said) else None


def of_line(text: str, looked: Text, place: int, asked: Asked) -> str | None:
    """What is suspicious about a sentence that a model of words cannot see, as it has hardly any; None for nothing."""
    segment = looked.segments[place]
    last, first = place == len(looked.segments) - 1, place == 0
    own = _is_line(text, segment.start, segment.end)
    if own and len(segment.text) <= _LONGEST_SINGLE and not (first and last):
        found = _opening(segment.text, segment.words, first=first, last=last)
        if found or (found := _verdict(segment.text, segment.words, last=last)):
            return found
    if segment.mask & _OTHERS_BIT and _DEMOTION.search(segment.text):
        return OTHERS
    if own and _repeats(segment.words) and ";" not in segment.text and _PLAIN.fullmatch(segment.text):
        return REPEATED
    if looked.covered(place) >= _LEAST_COVERED and not (first and last):
        return _echo(looked, place, asked) or _keywords(looked, place, asked, own=own)
    return None


def _opening(text: str, words: Sequence[str], *, first: bool, last: bool) -> str | None:
    if not words:
        return OPENING if (first or last) and text == ":" else None
    said = " ".join(words)
    known = said in _OPENINGS or (last and said in _DANGLING)
    return OPENING if known and _PLAIN.fullmatch(text) else None


def _verdict(text: str, words: Sequence[str], *, last: bool) -> str | None:
    found = _VERDICT_LINE.fullmatch(text)
    if found and _says_most(found, last=last):
        return VERDICT
    if text.startswith("{") and _VERDICT_RECORD.fullmatch(text) and _TRUE_RECORD.search(text):
        return VERDICT
    if not words or not _VERDICTS.issuperset(words) or not _SURE_VERDICTS.intersection(words):
        return None
    sure = any(word.startswith("relevan") for word in words) or (len(set(words)) == 1 and (last or len(words) > 1))
    return VERDICT if sure and _PLAIN.fullmatch(text) else None


def _says_most(found: re.Match[str], *, last: bool) -> bool:
    """Whether a verdict is one of a judge: an answer that is a number may be the answer to the question."""
    if _ANSWER.search(found[1]):
        return not found[2][-1:].isdigit()
    return last or bool(_SURE_KEY.search(found[1]))


def _repeats(words: Sequence[str]) -> bool:
    return len(words) >= _FEWEST_REPEATED and len(words[0]) > 2 and words[0].isalpha() and len(set(words)) == 1


def _echo(looked: Text, place: int, asked: Asked) -> str | None:
    """An echo is the query's words in a row and no other word of content.

    Honest pages begin with the question that they answer, and have it within where the next sentence answers it.
    """
    row, words = asked.row.split(), looked.segments[place].words
    if len(asked.content) < _FEWEST_ECHOED or not looked.holds_query(place) or looked.added(place):
        return None
    if len(words) % len(row) > _MOST_AROUND or _CODE.search(looked.segments[place].text):
        return None
    if place == 0:
        unrelated = looked.covered_elsewhere(place) < _UNRELATED
    elif place == len(looked.segments) - 1:
        unrelated = True
    else:
        unrelated = looked.covered(place + 1) < _UNRELATED
    return ECHO if unrelated else None


def _keywords(looked: Text, place: int, asked: Asked, *, own: bool) -> str | None:
    """A list of keywords has words of the query and no others, again and again, under "tags", or out of their order."""
    segment = looked.segments[place]
    words = [word for word in segment.words if word not in _TAGS]
    held = {*asked.spellings, *asked.row.split()}
    if len(words) < 2 or not held.issuperset(words) or not _PLAIN.fullmatch(segment.text):
        return None
    if len(words) >= 2 * len(set(words)) and len(words) > _FEWEST_KEYWORDS:
        return KEYWORDS
    tagged = len(words) < len(segment.words) and ":" in segment.text
    if not own or tagged:
        return KEYWORDS if own else None
    shuffled = f" {' '.join(words)} " not in asked.row and asked.in_order(words) < _IN_ORDER
    unrelated = place > 0 or looked.covered_elsewhere(place) < _UNRELATED
    return KEYWORDS if shuffled and unrelated and len(words) >= _FEWEST_KEYWORDS else None


def _is_line(text: str, start: int, end: int) -> bool:
    """Whether a sentence has a line for itself."""
    before, after = text[max(0, start - 20) : start].rstrip(" \t"), text[end : end + 20].lstrip(" \t")
    return (not before or before.endswith("\n")) and (not after or after.startswith(("\n", "\r")))
