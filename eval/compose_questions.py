"""Makes multi-hop questions of single-hop ones, since few of them are labelled: a name gives way to a description.

"When was Ozzy Osbourne born?" and "Black Sabbath" make "When was the singer of Black Sabbath born?". Only the shape of
such questions is of use, so that they need not make sense.
"""

# Words in a row are easier to read than a list of them.
# ruff: noqa: SIM905

from __future__ import annotations

import random
import re
from collections.abc import Sequence

_NAME = re.compile(r"(?<=[a-z] )(?:the )?[A-Z][\w.'-]+(?: (?:of |the )*[A-Z][\w.'-]+)*")
_ROLES = (
    "author|director|founder|composer|singer|mother|father|wife|husband|child|spouse|king|president|leader|owner|"
    "producer|designer|discoverer|inventor|editor|coach|captain|performer|screenwriter|publisher|brother"
).split("|")
_PLACES = ("city|country|state|county|town|province|region|district|continent|island|village").split("|")
_WORKS = ("film|book|song|album|novel|series|opera|painting|game|magazine|play|show").split("|")
_GROUPS = ("band|team|company|university|club|school|party|airline|league|network|label|studio|organization").split("|")
_BORN = ("was born|died|lived|was raised|is located|was founded|is based|took place|was filmed|works|was buried").split(
    "|"
)
_DID = (
    "wrote|directed|founded|played in|was married to|discovered|invented|recorded|produced|starred in|ruled over|"
    "defeated|succeeded|was named after|is known for|worked with|killed|appeared in|designed|led"
).split("|")
_DONE = ("written|directed|founded|produced|recorded|owned|designed|published|created|composed|released").split("|")
_KINDS = (
    "American|British|German|French|Italian|Australian|retired|former|first|famous|Swedish|Indian|Canadian"
).split("|")
_NATURES = (
    "actress|singer|writer|politician|player|band|film|city|airport|river|novel|magazine|university|mountain|"
    "breed|plant|director|company|song|album|village|musician|district|lake|bridge"
).split("|")
_RELATIONS = ("birthplace|father|alma mater|record label|hometown|wife|employer|home country|successor|founder").split(
    "|"
)
_MORE = ("older|larger|taller|longer|more popular|higher|younger|bigger|farther north|closer to the sea|faster").split(
    "|"
)
_BEEN = ("founded|born|formed|released|built|published|established|created|opened|first shown").split("|")
_ASKED = (
    "what year|which country|what city|which date|what county|which team|how many people|which award|what state"
).split("|")


class Composer:
    """Composes questions, always the same ones for the same seed and names."""

    def __init__(self, names: Sequence[str], *, seed: int = 0) -> None:
        self._names = tuple(names)
        self._dice = random.Random(seed)

    def bridged(self, question: str) -> str | None:
        """The question with a name of it described instead; None where it has no name."""
        found = list(_NAME.finditer(question))
        if not found:
            return None
        name = self._dice.choice(found)
        return question[: name.start()] + self._description(deep=0) + question[name.end() :]

    def told(self) -> str:
        """A question that begins as a statement, or about something that is described twice."""
        pick, name = self._dice.choice, self._name
        nature, kind, asked = pick(_NATURES), pick(_KINDS), pick(_ASKED)
        return pick(
            (
                f"{name()} is a {nature} {pick(_DONE)} by a {kind} {pick(_NATURES)} that {pick(_DID)} {asked}?",
                f"{name()} was a {kind} {nature} who {pick(_DID)} the {pick(_WORKS)} {pick(_DONE)} in {asked}?",
                f"The {pick(_WORKS)} {name()} was {pick(_DONE)} by a {nature} born in {asked}?",
                f"The {nature} {name()} is located in a {pick(_PLACES)} in {asked}?",
                f"{name()} was {pick(_DONE)} by the {kind} {pick(_NATURES)} who was born in {asked}?",
                f"What {nature} {pick(_DID)} a {pick(_WORKS)} based on a story by {name()}?",
                f"Who {pick(_DID)} both {name()} and {name()}?",
                f"What {pick(_WORKS)} features a {kind} {nature} who {pick(_DID)} {name()}?",
                f"What {kind} {nature} {pick(_DID)} {self._description(deep=1)}?",
                f"In {asked} was {self._description(deep=0)} {pick(_BEEN)}?",
                f"Who is {self._description(deep=0)}?",
                f"What is the name of {self._description(deep=0)}?",
                f"Which {nature} {pick(_DONE)} by {name()} was {pick(_DONE)} by {self._description(deep=1)}?",
                f"What {nature} does the {kind} {pick(_NATURES)}, who {pick(_DID)} {name()}, have?",
            )
        )

    def compared(self) -> str:
        """A question about two things."""
        pick, name = self._dice.choice, self._name
        one, other, nature, more, been = name(), name(), pick(_NATURES), pick(_MORE), pick(_BEEN)
        return pick(
            (
                f"Which {nature} was {been} first, {one} or {other}?",
                f"Which is {more}, {one} or {other}?",
                f"Who is {more}, {one} or {other}?",
                f"Who was born first, {one} or {other}?",
                f"Are {one} and {other} both {pick(_KINDS)} {nature}s?",
                f"Are {one} and {other} located in the same {pick(_PLACES)}?",
                f"Were {one} and {other} of the same nationality?",
                f"Is {one} {more} than {other}?",
                f"Did {one} and {other} {pick(('study', 'live', 'work', 'play'))} in the same {pick(_PLACES)}?",
                f"Between {one} and {other}, which {nature} is {more}?",
                f"{one} and {other} are both what kind of {nature}?",
                f"What {nature} do {one} and {other} have in common?",
                f"Do {one} and {other} have the same {pick(('profession', 'director', 'owner', 'size', 'age'))}?",
                f"Which {nature} has more {pick(_NATURES)}s, {one} or {other}?",
            )
        )

    def _name(self) -> str:
        return self._dice.choice(self._names)

    def _description(self, *, deep: int) -> str:
        pick = self._dice.choice
        inner = self._description(deep=deep + 1) if deep < 2 and self._dice.random() < 0.3 else self._name()
        place, role, work, group = pick(_PLACES), pick(_ROLES), pick(_WORKS), pick(_GROUPS)
        return pick(
            (
                f"the {place} where {inner} {pick(_BORN)}",
                f"the {place} in which {inner} {pick(_BORN)}",
                f"the {place} {inner} is from",
                f"the {role} of {inner}",
                f"the {role} of the {work} {inner}",
                f"the {role} of the {group} that {pick(_DONE)} {inner}",
                f"the {role} who {pick(_DID)} {inner}",
                f"the {group} that {pick(_DID)} {inner}",
                f"the {group} {inner} is part of",
                f"the {work} {pick(_DONE)} by {inner}",
                f"the {work} in which {inner} {pick(_DID)} {self._name()}",
                f"{inner}'s {pick(_RELATIONS)}",
                f"the {pick(_KINDS)} {pick(_NATURES)} who {pick(_DID)} {inner}",
                f"the {group} which published {inner}",
                f"the {place} sharing a border with {inner}",
            )
        )


def names_of(questions: Sequence[str]) -> list[str]:
    """The names in questions, sorted."""
    return sorted({found.group() for question in questions for found in _NAME.finditer(question)})
