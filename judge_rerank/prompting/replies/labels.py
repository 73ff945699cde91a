"""From the log-probabilities of the first tokens to a distribution over the answers there are."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MIN_MASS = 0.02
"""The least share of all probability that the labels must have for a reply to count as an answer.

A model that answers gives its labels most of the probability, one that starts a sentence ("The", "To") less than a
hundredth. Providers list only a few tokens, some as few as five, so what is seen can be far below what is there: the
threshold is low.
"""

_GUESSED_SHARE = 0.01
"""How much of the labels' mass may rest on a guess before the distribution no longer counts as exact."""

Branches = Mapping[str, Mapping[str, float]]

_DELIMITERS = re.compile(r"[\W_]+")
_MARKS = str.maketrans({"▁": " ", "Ġ": " ", "Ċ": "\n", "ĉ": "\t"})


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelDistribution:
    """How probable each answer is.

    Attributes:
        probabilities: by label, summing to 1; all 0 when no label was seen.
        mass: the share of all probability that the labels have together, in [0, 1].
        exact: False when part of the mass had to be shared out by a guess (see `distribution`).
    """

    probabilities: Mapping[str, float]
    mass: float
    exact: bool

    @property
    def best(self) -> str:
        """The most probable label; of several, the first."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def answered(self) -> bool:
        """Whether the labels have enough of the probability to be an answer at all."""
        return self.mass >= MIN_MASS


def canonical(text: str) -> str:
    """`text` for comparison: lower case, every run of spaces, punctuation or tokenizer marks one space, none in front.

    A space at the end stays: it says that the last word is complete.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_MARKS))
    return _DELIMITERS.sub(" ", text.casefold()).lstrip()


def distribution(branches: Branches, labels: Sequence[str]) -> LabelDistribution:
    """How the probability is spread over `labels`, summed over their surface forms ("Yes", " yes", "▁yes", "Yes.").

    A label of several tokens is followed through `branches`. Where a label begins another ("1" and "10") and the
    branch after it is not there, two rules apply. If the longer label is itself among the listed tokens, the tokenizer
    has it whole and the shorter one stands for itself. Otherwise the mass of the two is shared in proportion to their
    neighbours on the scale (2 and 9): scores are smooth enough that a "1" amid low scores is a 1 and amid high ones
    the start of a 10. The latter is a guess, and `exact` says so.
    """
    walk = _Walk(branches, labels)
    walk.run()
    total = sum(walk.found.values())
    probabilities = {label: (p / total if total > 0 else 0.0) for label, p in walk.found.items()}
    return LabelDistribution(
        probabilities=probabilities, mass=min(1.0, total), exact=walk.guessed <= _GUESSED_SHARE * total
    )


def _probabilities(branch: Mapping[str, float]) -> dict[str, float]:
    """Token to probability, without what is no probability."""
    return {token: math.exp(min(0.0, logp)) for token, logp in branch.items() if not math.isnan(logp)}


@dataclass(slots=True)
class _Walk:
    """One pass over the branches in the order of their length, so that each is visited once."""

    branches: Branches
    labels: Sequence[str]
    by_name: dict[str, str] = field(init=False)
    found: dict[str, float] = field(init=False)
    reached: dict[str, float] = field(init=False)
    keys: dict[str, str] = field(init=False)
    guessed: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.by_name = {}
        for label in self.labels:
            if name := canonical(label).rstrip():
                self.by_name.setdefault(name, label)
        self.found = dict.fromkeys(self.labels, 0.0)
        self.reached = {"": 1.0}
        self.keys = {canonical(key): key for key in self.branches if canonical(key)}

    def run(self) -> None:
        for key in sorted(self.branches, key=lambda key: (len(canonical(key)), len(key))):
            weight = self.reached.get(key, 0.0)
            if weight > 0:
                self._visit(key, weight)

    def _visit(self, key: str, weight: float) -> None:
        shares = _probabilities(self.branches[key])
        owner = self.by_name.get(canonical(key).rstrip())
        tokens = {canonical(token).rstrip() for token in shares} if key == "" else set[str]()
        if owner is not None:
            shares = {token: share for token, share in shares.items() if self._goes_on(key, token)}
            self.found[owner] += weight * max(0.0, 1.0 - sum(shares.values()))
        for token, share in shares.items():
            self._place(key, key + token, weight * share, tokens)

    def _goes_on(self, key: str, token: str) -> bool:
        """Whether `token` makes another word, or the beginning of a longer label, of the label `key`."""
        if not token or not _DELIMITERS.match(token.translate(_MARKS)):
            return bool(token)
        name = canonical(key + token).rstrip()
        return name != canonical(key).rstrip() and any(label.startswith(name) for label in self.by_name)

    def _place(self, key: str, text: str, weight: float, tokens: set[str]) -> None:
        """Put the probability of having written `text` where it belongs."""
        name = canonical(text)
        longer = [n for n in self.by_name if n != name and n.startswith(name)] if name else []
        next_key = text if text in self.branches else self.keys.get(name, "")
        if next_key and next_key != key and (longer or not name) and _comes_later(next_key, key):
            self.reached[next_key] = self.reached.get(next_key, 0.0) + weight
            return
        owner = self.by_name.get(name.rstrip())
        if owner is None:  # a piece of a label: it matters where the tokenizer does not have the label whole
            self.guessed += weight if longer and not tokens.issuperset(longer) else 0.0
        elif not longer or tokens.intersection(longer):
            self.found[owner] += weight
        else:
            self._share(owner, [self.by_name[n] for n in longer], weight)

    def _share(self, owner: str, longer: list[str], weight: float) -> None:
        """Split `weight` between a label and those it begins, by the probability of their neighbours on the scale."""
        self.guessed += weight
        group = [owner, *longer]
        at_first = _probabilities(self.branches.get("", {}))
        seen: dict[str, float] = {}
        for token, p in at_first.items():
            name = canonical(token).rstrip()
            seen[name] = seen.get(name, 0.0) + p
        neighbours = [seen.get(self._neighbour(label, group), 0.0) for label in group]
        total = sum(neighbours)
        if total <= 0:
            self.found[owner] += weight
            return
        for label, neighbour in zip(group, neighbours, strict=True):
            self.found[label] += weight * neighbour / total

    def _neighbour(self, label: str, group: list[str]) -> str:
        """The nearest label of a scale that is not in the group; "" where the labels are no scale."""
        if not all(one.isdecimal() for one in self.labels):
            return ""
        others = [one for one in self.labels if one not in group]
        return min(others, key=lambda one: abs(int(one) - int(label)), default="")


def _comes_later(one: str, other: str) -> bool:
    return (len(canonical(one)), len(one)) > (len(canonical(other)), len(other))
