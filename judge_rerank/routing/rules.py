"""Rules that the user writes, in Python or YAML: the first that fits a query gives its label."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn, cast

from judge_rerank.core import DataError, InputError, UnknownName
from judge_rerank.routing.classifier import QueryClass, QueryClassifier, checked
from judge_rerank.strategies import option_value

_CONDITIONS = ("regex", "contains", "starts_with", "min_words", "max_words")
_TEXTS = ("contains", "starts_with")
_LONGEST_REGEX = 1_000
_TIMEOUT_S = 0.25


@option_value("rule")
@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A label for the queries that meet all conditions given. Case does not count.

    Attributes:
        label: the class of such a query.
        regex: a regular expression (Python's) found anywhere in the query. A search that takes longer than a quarter of
            a second is an error.
        contains: one of these words or phrases is in the query, as whole words.
        starts_with: the query begins with one of these, as whole words.
        min_words, max_words: the fewest and the most words, separated by white space.

    Raises:
        InputError: there is no condition, or one cannot be met. Of `fits`: the regular expression takes too long.
    """

    label: str
    regex: str | None = None
    contains: tuple[str, ...] = ()
    starts_with: tuple[str, ...] = ()
    min_words: int | None = None
    max_words: int | None = None
    _pattern: Any = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if not self.label.strip():
            raise InputError("The label of a rule is empty; it must be a word, such as 'factual'.")
        for name in _TEXTS:
            given: object = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(getattr(self, name)))
            if not isinstance(given, str) and any(not text.strip() for text in getattr(self, name)):
                msg = f"{name} of the rule for {self.label!r} has an empty text, which every query matches."
                raise InputError(msg)
        if not any(getattr(self, name) not in (None, ()) for name in _CONDITIONS):
            msg = f"The rule for {self.label!r} has no condition. There are: {', '.join(_CONDITIONS)}."
            raise InputError(msg)
        least, most = self.min_words or 0, self.max_words
        if least < 0 or (most is not None and most < max(least, 1)):
            msg = f"The rule for {self.label!r} fits no query: min_words={self.min_words}, max_words={self.max_words}."
            raise InputError(msg)
        if self.regex is not None:
            object.__setattr__(self, "_pattern", _compiled(self.regex, self.label))

    def fits(self, query: str) -> tuple[str, ...] | None:
        """Which conditions the query meets, in words, if it meets all; else None."""
        count = len(query.split())
        met: list[str] = []
        if self._pattern is not None:
            met.append(f"it matches {self.regex!r}" if self._matches(query) else "")
        if self.contains:
            part = next((text for text in self.contains if _stands_in(text, query)), "")
            met.append(f"it contains {part!r}" if part else "")
        if self.starts_with:
            part = next((text for text in self.starts_with if _stands_in(text, query, at_start=True)), "")
            met.append(f"it starts with {part!r}" if part else "")
        if self.min_words is not None:
            met.append(f"it has {count} words, at least {self.min_words}" if count >= self.min_words else "")
        if self.max_words is not None:
            met.append(f"it has {count} words, at most {self.max_words}" if count <= self.max_words else "")
        return tuple(met) if all(met) else None

    def _matches(self, query: str) -> bool:
        try:
            return self._pattern.search(query, timeout=_TIMEOUT_S) is not None
        except TimeoutError:
            raise InputError(
                f"regex {self.regex!r} of the rule for {self.label!r} was stopped after {_TIMEOUT_S} seconds at a "
                f"query of {len(query):,} characters. Nested repetitions can take that long; rewrite the regex "
                "without them."
            ) from None


@option_value("rules")
class Rules:
    """Classifies by the first rule that fits; a query that no rule fits goes to `fallback`.

    Args:
        rules: in the order in which they are tried.
        fallback: the classifier for the rest; None for the trained one.

    Raises:
        InputError: there are no rules.
    """

    def __init__(self, rules: Iterable[Rule], *, fallback: QueryClassifier | None = None) -> None:
        self.rules = tuple(rules)
        if not self.rules:
            raise InputError("There are no rules; expected at least one.")
        self.fallback = fallback

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rules) and (self.rules, self.fallback) == (other.rules, other.fallback)

    def __hash__(self) -> int:
        return hash(self.rules)

    @classmethod
    def load(cls, path: str | Path, *, fallback: QueryClassifier | None = None) -> Rules:
        """Read rules from a YAML file: a list of mappings with the fields of `Rule`.

            - label: complex
              contains: [compare, versus]
            - label: factual
              regex: ^(who|when|where)\\b
              max_words: 8

        Raises:
            DataError: the file cannot be read, or a rule in it cannot be used; path and line are in the error.
        """
        return cls(_read(Path(path).expanduser()), fallback=fallback)

    def classify(self, query: str) -> QueryClass:
        """The class of one query; a rule's word is certain, so its confidence is 1.

        Raises:
            InputError: the query is empty.
        """
        text = checked(query)
        for rule in self.rules:
            if (met := rule.fits(text)) is not None:
                return QueryClass(label=rule.label, confidence=1.0, reasons=met)
        return self._rest().classify(text)

    def classify_many(self, queries: Iterable[str]) -> list[QueryClass]:
        """The classes of several queries, in their order; what no rule fits goes to the fallback in one piece."""
        texts = [checked(query) for query in queries]
        met = [next(((rule, m) for rule in self.rules if (m := rule.fits(text)) is not None), None) for text in texts]
        open_places = [place for place, found in enumerate(met) if found is None]
        rest = self._rest().classify_many(texts[place] for place in open_places) if open_places else []
        others = dict(zip(open_places, rest, strict=True))
        return [
            others[place] if found is None else QueryClass(label=found[0].label, confidence=1.0, reasons=found[1])
            for place, found in enumerate(met)
        ]

    def _rest(self) -> QueryClassifier:
        from judge_rerank.routing.trained import TrainedClassifier

        return self.fallback or TrainedClassifier()


def _stands_in(text: str, query: str, *, at_start: bool = False) -> bool:
    """Whether the text stands in the query as whole words, whatever the case and the white space between them."""
    phrase = r"\s+".join(map(re.escape, text.split()))
    begin = r"^\s*" if at_start else r"(?<!\w)"
    return re.search(rf"{begin}{phrase}(?!\w)", query, re.IGNORECASE) is not None


def _compiled(expression: str, label: str) -> Any:
    import regex

    name = f"regex {expression[:80]!r} of the rule for {label!r}"
    if len(expression) > _LONGEST_REGEX:
        raise InputError(f"{name} has {len(expression):,} characters; at most {_LONGEST_REGEX:,} were expected.")
    try:
        return regex.compile(expression, regex.IGNORECASE)
    except (regex.error, RecursionError, OverflowError, MemoryError, ValueError) as error:
        raise InputError(f"{name} is not a regular expression: {error}.") from None


def _read(path: Path) -> list[Rule]:
    from judge_rerank.readers import Located

    located = Located(path)
    if not isinstance(located.value, list) or not located.value:
        raise DataError("A list of rules was expected, such as '- {label: factual, starts_with: who}'.", path=path)
    rules = cast("list[object]", located.value)
    return [_rule(value, path, located.line([place])) for place, value in enumerate(rules)]


def _rule(value: object, path: Path, line: int | None) -> Rule:
    def refuse(message: str) -> NoReturn:
        raise DataError(message, path=path, line=line)

    if not isinstance(value, Mapping):
        refuse("A rule is a label with conditions, such as '{label: factual, starts_with: who}'.")
    given = {str(name): content for name, content in cast("Mapping[Any, Any]", value).items()}
    known = [item.name for item in fields(Rule) if item.init]
    for name, content in given.items():
        if name not in known:
            refuse(str(UnknownName("part of a rule", name, known)))
        if name in _TEXTS:
            texts = cast("list[object]", content) if isinstance(content, list) else [content]
            if not texts or not all(isinstance(text, str) for text in texts):
                refuse(f"{name} is {content!r}; expected a text or a list of texts. Put numbers in quotes.")
            given[name] = tuple(cast("list[str]", texts))
        elif name.endswith("_words"):
            if not isinstance(content, int) or isinstance(content, bool):
                refuse(f"{name} is {content!r}; expected a whole number.")
        elif not isinstance(content, str):
            refuse(f"{name} is {content!r}; expected a text. Put it in quotes.")
    if "label" not in given:
        refuse("The rule has no label.")
    try:
        return Rule(**given)
    except InputError as error:
        refuse(str(error))
