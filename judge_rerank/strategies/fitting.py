"""Which scorers fit a ranking: they are on this machine, and know the languages of query and documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from judge_rerank.core import Candidates, Strategy, named, spec_of
from judge_rerank.strategies.spec import parse

_MULTILINGUAL = "multilingual-e5-small-q4"

EMBEDDERS = ("embedding", "embedding('all-minilm-l6-v2-int8')", f"embedding('{_MULTILINGUAL}')")
"""The embedding models that are chosen without being named: the best for English first, then one for every language."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitting:
    """What was chosen among scorers.

    Attributes:
        strategy: the first that fits; None where none does.
        left_out: why scorers before it that are on this machine were left out, as a sentence; "" where none was.
    """

    strategy: Strategy | None
    left_out: str

    @property
    def spec(self) -> str:
        """Of the strategy; "none" for none."""
        return "none" if self.strategy is None else spec_of(self.strategy)


def first_fitting(specs: Sequence[str], candidates: Candidates | None = None) -> Fitting:
    """The first of these scorers that is on this machine and knows the candidates' languages."""
    foreign = dict[str, frozenset[str]]()
    chosen = None
    for each in map(parse, specs):
        if not is_here(each):
            continue
        unknown = unknown_languages(each, candidates)
        if not unknown:
            chosen = each
            break
        foreign[spec_of(each)] = unknown
    if not foreign:
        return Fitting(strategy=chosen, left_out="")
    languages = named(language for unknown in foreign.values() for language in unknown)
    left_out = f"{' and '.join(foreign)} left out, not trained on {languages}"
    if EMBEDDERS[-1] in specs and not is_here(parse(EMBEDDERS[-1])):
        left_out += f" (judge-rerank models pull {_MULTILINGUAL} fetches one that was)"
    return Fitting(strategy=chosen, left_out=left_out)


def is_here(strategy: Strategy) -> bool:
    """Whether a scorer can be used without a download; strategies that do not say so (`is_here`) can."""
    return bool(getattr(strategy, "is_here", lambda: True)())


def unknown_languages(strategy: Strategy, candidates: Candidates | None) -> frozenset[str]:
    """The languages of query and documents that a scorer does not know; none for one that does not say what it knows
    (`languages`), and none where the texts do not tell.
    """
    if candidates is None or (known := getattr(strategy, "languages", None)) is None:
        return frozenset()
    return candidates.circumstances.languages() - known
