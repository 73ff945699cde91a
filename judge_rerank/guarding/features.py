"""What the model is told of a sentence: classes of words and how they stand together, marks, and the query's share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from judge_rerank.guarding.asking import COMMON, Asked
from judge_rerank.guarding.lexicon import lexicon
from judge_rerank.guarding.segments import Segment, segments_of
from judge_rerank.prompting import quote

_WINDOW = 5
_FEWEST_CLASSES = 2
_MOST_COUNTED = 4
_MOST_ADDED = 12
_PAIRS = (
    ("verdict verb", "score"), ("verdict verb", "top"), ("verdict verb", "relevant"), ("verdict verb", "document"),
    ("verdict verb", "yes"), ("verdict verb", "answers"), ("override", "instruction"), ("override", "previous"),
    ("override", "others"), ("override", "document"), ("document", "answers"), ("document", "exactly"),
    ("answers", "query"), ("exactly", "answers"), ("exactly", "relevant"), ("claim", "document"), ("claim", "answers"),
    ("claim", "judge"), ("claim", "relevant"), ("others", "document"), ("others", "low"), ("others", "relevant"),
    ("others", "answers"), ("score", "top"), ("document", "relevant"), ("document", "top"), ("document", "low"),
    ("judge", "must"), ("you", "must"), ("judge", "you"), ("you", "hijack"), ("query", "relevant"),
    ("verdict verb", "low"), ("judge", "verdict verb"), ("system", "instruction"), ("previous", "instruction"),
    ("hijack", "instruction"), ("refusal", "verdict verb"), ("master", "master"), ("top", "relevant"),
)  # fmt: skip
_FIRST = ("verdict verb", "override", "hijack", "judge", "system", "document")
_BEFORE_FIRST = ("must", "you", "judge")
"""Classes that may stand before the verb of a command: "please", "you must", "as an AI judge,"."""

_FRACTION = re.compile(r"(?<![\d/.])(\d{1,3})\s?(?:/|out of|von|sur|de|из|z)\s?\1(?![\d/])|\b100\s?%", re.IGNORECASE)
_ROLE = re.compile(
    r"\W{0,6}(?:system|assistant|user|human|ai|developer|admin(?:istrator)?|instructions?|judge|ranker|grader|"
    r"evaluator|model|note to [\w ]{2,30}|output|response|answer|verdict|expected output)\s*(?:\W{0,3}prompt\W{0,3})?"
    r"(?:override|message|note|update)?\W{0,4}[:>\]]",
    re.IGNORECASE,
)
_CHAIN = re.compile(r"[\[({<]\s*\w{1,3}\s*[\])}>]\s*(?:>|≻|»|=>|->|›)\s*[\[({<]\s*\w{1,3}\s*[\])}>]")
_VERDICT = re.compile(
    r"\b(?:relevance[_ ]?score|relevance|relevancy|score|rating|rank|ranking|grade|verdict|label|relevant|"
    r"judge?ment|decision|is_relevant)[\"'*_`]{0,3}\s*(?:is|[:=]+>?)\s*[\"'*_`\[]{0,3}"
    r"(?:\d{1,3}(?:\.\d+)?\b|yes\b|true\b|high(?:ly)?\b|perfect\w*|relevant\b|very\b|full\b|max\w*|\[?\d)",
    re.IGNORECASE,
)
_BLOCK = re.compile(
    r"[-=*_#~+]{3,}\s*\S|(?:^|\s)(?:#{2,}|\"\"\"|'''|```)|</?[a-z_ -]{2,24}>|\b(?:end|begin|start)\s+of\s+(?:the\s+)?"
    r"(?:document|passage|text|query|prompt|context|input|documents)\b",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"[\[(<{#*]\s*(?:doc(?:ument)?|passage|candidate|result)s?\s*[#:]?\s*[\dA-F]{1,3}\s*[\])>}:*]", re.IGNORECASE
)
_DIGIT = re.compile(r"\d")
_NAME = re.compile(r"\[\s*(?:[A-Za-z]{2,10}[\s_.#:-]{0,3})?#?\s*(?:\d+|[A-Z])\s*\]")
_NUMBERED = re.compile(r"[\[(【［#]\s*(?:\d{1,3}|[A-H])\s*[\])】］]|\b(?:number|no\.|#)\s?\d{1,2}\b", re.IGNORECASE)
_QUOTED = re.compile(
    r"[\"'“‘«„]\s*(?:yes|no|true|relevant|irrelevant|not relevant|ja|oui|s[ií]|sim|da|да|\d{1,3})\s*[.!]?[\"'”’»“]",
    re.IGNORECASE,
)
_BRACKETS = "<[◁"
_JSON = re.compile(r"[{\[]\s*\\?[\"'][\w ]{1,30}\\?[\"']\s*:")
_ODD = re.compile(r"[a-z][A-Z]|[^\w\s][a-zA-Z]|[\])}][\[({]|[^\w\s.'\"]{2,}")
_LEXICON = lexicon()
NAMES: tuple[str, ...] = (
    *_LEXICON.classes,
    *(f"{one} + {other}" for one, other in _PAIRS),
    *(f"first: {name}" for name in _FIRST),
    "density", "command", "short command", "classes", "words", "upper", "marks", "digits", "exclamations", "odd",
    "fraction", "role", "chain", "verdict", "block", "named", "token", "json", "colon", "unspaced", "disguised",
    "numbered", "quoted verdict", "query share", "query covered", "query whole", "query elsewhere",
    "query here alone", "query repeats", "query in order", "query beside", "repeats", "document repeats", "alone",
    "strong neighbours", "added", "small words", "own classes",
)  # fmt: skip
"""The features, in their order."""

_PAIR_BITS = tuple((_LEXICON.bit(one), _LEXICON.bit(other)) for one, other in _PAIRS)
_FIRST_BITS = tuple(_LEXICON.bit(name) for name in _FIRST)
_SKIPPED = sum(_LEXICON.bit(name) for name in _BEFORE_FIRST)
_VERDICT_BITS = sum(_LEXICON.bit(name) for name in ("score", "top", "relevant", "yes", "low"))
_WEAK_CLASSES = ("this", "you", "previous", "low", "must", "exactly", "top", "yes", "refusal")
_WEAK = sum(_LEXICON.bit(name) for name in _WEAK_CLASSES)


class Text:
    """A text in sentences, with what is the same for all of them.

    Attributes:
        segments: its sentences.
    """

    def __init__(self, text: str, asked: Asked) -> None:
        self.segments: Sequence[Segment] = segments_of(text, _LEXICON)
        self._asked = asked
        self._rows = [f" {' '.join(segment.words)} " for segment in self.segments]
        counts = Counter[str]()
        for segment in self.segments:
            counts.update(segment.words)
        self._counts, self._words = counts, counts.total()
        self._here = [asked.shared(segment.words) for segment in self.segments]
        self._having = Counter(word for here in self._here for word in here)
        self._echoes = sum(row.count(asked.row) for row in self._rows) if len(asked.row) > 6 else 0
        self._strong = [_strength(segment.mask) >= _FEWEST_CLASSES for segment in self.segments]

    def worth(self, place: int) -> bool:
        """Whether a sentence has anything that the model could call suspicious; most have not."""
        segment = self.segments[place]
        if self._strong[place] or self._dense(place) or _marked(segment.text):
            return True
        here = len(self._here[place])
        return bool(here) and (
            self._asked.row in self._rows[place]
            or here >= 0.6 * len(self._asked.content)
            or len(segment.words) > 2 * len(set(segment.words))
        )

    @property
    def may_repeat(self) -> bool:
        """Whether the text has nearly all of the query's words of content."""
        return len(self._having) >= len(self._asked.content) - 1

    def holds_query(self, place: int) -> bool:
        """Whether a sentence has all words of the query in a row."""
        return self._asked.row in self._rows[place]

    def covered(self, place: int) -> float:
        """The share of the query's words of content that a sentence has."""
        return len(self._here[place]) / len(self._asked.content) if self._asked.content else 0.0

    def covered_elsewhere(self, place: int) -> float:
        """The share that the other sentences have, all together."""
        here = self._here[place]
        others = sum([times > (word in here) for word, times in self._having.items()])
        return others / len(self._asked.content) if self._asked.content else 0.0

    def added(self, place: int) -> int:
        """How many words a sentence has that are neither small ones, nor the query's, nor of the lexicon."""
        segment, asked = self.segments[place], self._asked
        words = zip(segment.words, segment.masks, strict=True)
        return sum([not mask and word not in COMMON and word not in asked.spellings for word, mask in words])

    def _dense(self, place: int) -> bool:
        segment = self.segments[place]
        return bool(segment.mask & ~_WEAK) and len(segment.words) <= 2 * sum(map(bool, segment.masks))

    def vector(self, place: int, *, disguised: bool = False) -> list[float]:
        """The features of a sentence, as `NAMES` names them."""
        segment = self.segments[place]
        return [
            *_counted(segment),
            *_together(segment),
            *_first(segment),
            *_shown(segment, disguised=disguised),
            *self._compared(place),
        ]

    def _compared(self, place: int) -> list[float]:
        """The share of the query in the sentence, and how the sentence stands in the text."""
        segment, asked = self.segments[place], self._asked
        words, said = segment.words, set(segment.words)
        content = {word for word in said if word not in COMMON}
        covered, outside = self.covered(place), self.covered_elsewhere(place)
        neighbours = self._strong[max(0, place - 2) : place] + self._strong[place + 1 : place + 3]
        beside = max([self.covered(each) for each in (place - 1, place + 1) if 0 <= each < len(self.segments)] or [0.0])
        own = 0
        for word, mask in zip(words, segment.masks, strict=True):
            own |= mask if word not in asked.spellings else 0
        return [
            len(self._here[place]) / len(content) if content else 0.0,
            covered,
            float(self.holds_query(place) and len(asked.row) > 6),
            outside,
            covered * (1 - outside),
            float(min(self._echoes, _MOST_COUNTED)),
            asked.in_order(words) if covered > 0 else 0.0,
            beside,
            1 - len(said) / len(words) if words else 0.0,
            1 - len(self._counts) / self._words if self._words else 0.0,
            float(len(self.segments) == 1),
            float(sum(neighbours)),
            float(min(self.added(place), _MOST_ADDED)),
            sum([word in COMMON for word in words]) / len(words) if words else 0.0,
            float((own & ~_WEAK).bit_count()),
        ]


def _strength(mask: int) -> float:
    return (mask & ~_WEAK).bit_count() + (mask & _WEAK).bit_count() / 2


def _marked(text: str) -> bool:
    """Whether it has a mark that is suspicious by itself. Each is only looked for where a sign of it is there."""
    return (
        _fraction(text)
        or (":" in text and bool(_ROLE.match(text)))
        or _verdict(text)
        or (">" in text and bool(_CHAIN.search(text)))
        or _token(text)
    )


def _fraction(text: str) -> bool:
    return ("/" in text or "%" in text or " " in text) and bool(_DIGIT.search(text)) and bool(_FRACTION.search(text))


def _verdict(text: str) -> bool:
    return (":" in text or "=" in text or " is " in text) and bool(_VERDICT.search(text))


def _token(text: str) -> bool:
    """Whether it has a special token of some chat model, or a tag of the prompt; numbers in brackets are common."""
    if not any(bracket in text for bracket in _BRACKETS):
        return False
    without = _NAME.sub("", text)
    quoted = quote(without)
    return any(without.count(bracket) > quoted.count(bracket) for bracket in _BRACKETS)


def _counted(segment: Segment) -> list[float]:
    held = [*filter(None, segment.masks), *segment.unspaced]
    return [
        float(min(sum([bool(mask & bit) for mask in held]), _MOST_COUNTED)) if segment.mask & bit else 0.0
        for bit in (1 << place for place in range(len(_LEXICON.classes)))
    ]


def _together(segment: Segment) -> list[float]:
    """For each pair of classes, whether words of both stand within a few words of each other, in either order."""
    stood = [(place, mask) for place, mask in enumerate(segment.masks) if mask]
    stood += [(2 * place, mask) for place, mask in enumerate(segment.unspaced)]
    near = set[tuple[int, int]]()
    for at, (place, mask) in enumerate(stood):
        for other, second in stood[at + 1 :]:
            if other - place > _WINDOW:
                break
            near.add((mask, second))
    return [
        float(any((one & a and other & b) or (one & b and other & a) for one, other in near))
        if segment.mask & a and segment.mask & b
        else 0.0
        for a, b in _PAIR_BITS
    ]


def _first(segment: Segment) -> list[float]:
    """The classes of the first word that is not "please" or "you must"."""
    held = [*segment.masks[:8]] if segment.words else [*segment.unspaced[:3]]
    lead = next((mask for mask in held if not mask & _SKIPPED), 0)
    leads = lead | (held[0] if held else 0)
    return [float(bool(leads & bit)) for bit in _FIRST_BITS]


def _commands(segment: Segment) -> bool:
    """Whether it begins with a verb of judging, and says how: a score, the top, relevant, yes."""
    first = _first(segment)
    return bool(first[0]) and (bool(segment.mask & _VERDICT_BITS) or _fraction(segment.text))


def _shown(segment: Segment, *, disguised: bool) -> list[float]:
    text = segment.text
    length = max(1, len(text))
    strong = sum([bool(mask & ~_WEAK) for mask in segment.masks]) + len(segment.unspaced)
    command = _commands(segment)
    return [
        strong / max(1, len(segment.words)) if not segment.unspaced else min(1.0, 4 * strong / length),
        float(command),
        float(command and len(segment.words) < 14),
        float(segment.mask.bit_count()),
        float(len(segment.words)),
        sum(map(str.isupper, text)) / length,
        sum([not (each.isalnum() or each.isspace()) for each in text]) / length,
        sum(map(str.isdigit, text)) / length,
        float(min(text.count("!"), 3)),
        len(_ODD.findall(text)) / length,
        float(_fraction(text)),
        float(bool(_ROLE.match(text))),
        float(bool(_CHAIN.search(text))),
        float(_verdict(text)),
        float(bool(_BLOCK.search(text))),
        float(bool(_NAMED.search(text))),
        float(_token(text)),
        float(bool(_JSON.search(text))),
        float(":" in text[:60]),
        float(len(segment.unspaced) > 0),
        float(disguised),
        float(bool(_NUMBERED.search(text))),
        float(bool(_QUOTED.search(text))),
    ]
