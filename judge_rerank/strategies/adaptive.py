"""Windows chosen by what the next answer is expected to gain, up to a limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from judge_rerank.core import Candidates, Ordering, Plan, Query, Steps, require
from judge_rerank.strategies.algorithms.acquisition import (
    confidence,
    first_stage_priors,
    from_scores,
    gains,
    separations,
)
from judge_rerank.strategies.algorithms.preference_search import PreferenceSearch
from judge_rerank.strategies.algorithms.trueskill import Rating, Ratings
from judge_rerank.strategies.algorithms.windows import balanced
from judge_rerank.strategies.asking import Comparing
from judge_rerank.strategies.decorators import strategy

# Variance of the judge's error in one comparison, where the variance of worth is 1.
_NOISE = 0.5
# How probable it has to be that a document is better than another, for their tiers to differ.
_SURE = 0.95
# Who is asked about in a round: those with at least this share of the greatest expected gain, and at least a window.
_SHARE = 0.2
# How much is read again where there is no limit: beyond this, more looks change little.
_FURTHER_WINDOWS = 10
_CHARS_PER_TOKEN = 4
_PROMPT_TOKENS = 150


@strategy("adaptive")
@dataclass(frozen=True, kw_only=True)
class Adaptive(Comparing):
    """Rates the relevance of each document, and asks where an answer helps most (after AcuRank, arXiv:2505.18512).

    A rating is a mean and a deviation (TrueSkill), made from everything that the judge stated in this ranking: orders,
    choices and scores of earlier stages, and the first-stage order as far as they confirm it. The first round reads
    every document without a statement, ⌈n / window_size⌉ calls side by side; or only the first of them if the limit is
    lower. Each further round asks about the documents for which another look promises the greatest gain in DCG of the
    best `top`, in as many simultaneous windows as they need. It ends when a limit is reached, when the best `top` are
    certain (each document there read twice, and nothing contradicted), or when no call of a round was answered.

    Without a limit it reads every document once and then at most n, or ten windows, again; after that it asks for what
    is still open among the best `top`, in as many calls as it takes. A judge that never errs then gets them right.
    With a limit the number of calls, documents or tokens is never higher, and the order is the best that was found.

    At n = 100, window_size = 20: 5 calls in the first round; about 9 calls in 5 rounds for 180 documents read.
    `confidence` gives, for each of the best `top` places p, the probability that the document there is among the best
    p. There are no scores.

    `tiers`: a place among the best `top` is the last of a tier where the ratings do not overlap: each document down to
    there is better than each of the others with a probability of at least 95 %, pair by pair. Documents between two
    such places are open, or tied where the judge put them above each other.

    Documents that the judge's statements leave open are ordered by their ratings; ties keep the order in which they
    came.

    Attributes:
        window_size: documents per call, at least 2.
        top: how many places count, at least 1.
        calls: the highest number of calls, at least 0; None for no limit, as for the next two.
        docs: the highest number of documents read, each counted every time.
        tokens: the most tokens read, estimated as one for every four characters of title and text, plus 150 per call.
        seed: the seed of the groups, and of the order in which documents are shown after the first round.
    """

    window_size: int = 20
    top: int = 10
    calls: int | None = None
    docs: int | None = None
    tokens: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        require("window_size", self.window_size, at_least=2)
        require("top", self.top, at_least=1)
        require("calls", self.calls, at_least=0)
        require("docs", self.docs, at_least=0)
        require("tokens", self.tokens, at_least=0)

    def compared(self, query: Query, candidates: Candidates) -> Plan:
        """Rounds of windows until the ratings are sure, or the limit is reached."""
        search = _Search(self, query, candidates, self.fitting(query, candidates, self.window_size))
        yield from search.run()
        return search.ordering()


class _Search:
    """One ranking under way. Places are those in the given order."""

    def __init__(self, strategy: Adaptive, query: Query, candidates: Candidates, size: int) -> None:
        self._strategy, self._candidates, self._size = strategy, candidates, size
        self._n = len(candidates)
        self._rng = Random(strategy.seed)  # noqa: S311
        evidence = candidates.evidence
        self._scored = from_scores(evidence.scores, [candidate.index for candidate in candidates])
        self._search = PreferenceSearch(candidates, lambda group: strategy.call(query, group), evidence.preferences)
        self._allowance = _Allowance(strategy, candidates)
        self._ratings = Ratings([Rating(0.0, 1.0)] * self._n, noise=_NOISE)
        self._taken = 0
        self._learn()

    def run(self) -> Steps[None]:
        """All rounds."""
        unread = [place for place in self._search.unread if not self._scored[place][0]]
        unread = unread[: self._allowance.reach(unread, self._size)]
        answered = True
        if len(unread) > 1:
            answered = yield from self._ask(balanced(unread, self._size, self._rng))
        while answered and self._allowance.left and not self._search.certain(self._strategy.top):
            answered = yield from self._ask(self._next_groups())
        if answered and not self._allowance.limited:
            yield from self._search.search_top(self._strategy.top, self._size)
            self._learn()

    def ordering(self) -> Ordering:
        """The order that the answers and, where they leave it open, the ratings give."""
        rated = self._rated()
        order = self._search.order({place: rating.mean for place, rating in enumerate(rated)})
        place_of = {candidate.index: place for place, candidate in enumerate(self._candidates)}
        judged = self._taken or any(precision for precision, _ in self._scored)
        top = min(self._strategy.top, self._n) if judged else 0
        sure = confidence(rated, [place_of[index] for index in order], top)
        cuts = separations(rated, [place_of[index] for index in order], top, _SURE)
        tiers = self._search.tiers(order, cuts)
        return Ordering(order=order, confidence=dict(zip(order, sure, strict=False)), tiers=tiers)

    def _ask(self, groups: Sequence[Sequence[int]]) -> Steps[bool]:
        """One round with as many of the groups as the allowance covers; whether any of it was answered."""
        paid = [bought for group in groups if len(bought := self._allowance.buy(group)) > 1]
        if not paid:
            return False
        # A window that is shown again has to look different, or its answer would come from a cache.
        yield from self._search.ask(paid, self._rng if self._taken else None)
        return self._learn()

    def _next_groups(self) -> list[list[int]]:
        """The documents worth another look, a share of the better and of the worse of them in every window."""
        rated = self._rated()
        worth = gains(rated, self._strategy.top, _NOISE)
        by_worth = sorted(range(self._n), key=lambda place: -worth[place])
        enough = sum(worth[place] >= _SHARE * worth[by_worth[0]] for place in by_worth)
        chosen = sorted(by_worth[: max(self._size, enough)], key=lambda place: -rated[place].mean)
        return balanced(chosen, self._size, self._rng)

    def _learn(self) -> bool:
        """Bring the ratings up to date; whether there was anything new."""
        new = self._search.stated[self._taken :]
        for tiers in new:
            self._ratings.add(tiers)
        self._taken += len(new)
        if new:
            self._ratings.refine()
        self._ratings.set_priors(first_stage_priors(self._ratings, self._n, self._scored))
        return bool(new)

    def _rated(self) -> list[Rating]:
        return [self._ratings[place] for place in range(self._n)]


class _Allowance:
    """What may still be spent."""

    def __init__(self, strategy: Adaptive, candidates: Candidates) -> None:
        self.limited = not strategy.calls is strategy.docs is strategy.tokens is None
        self._calls = math.inf if strategy.calls is None else strategy.calls
        self._tokens = math.inf if strategy.tokens is None else strategy.tokens
        n = len(candidates)
        docs = strategy.docs if self.limited else n + min(n, _FURTHER_WINDOWS * strategy.window_size)
        self._docs = math.inf if docs is None else docs
        self._lengths = [
            (len(c.document.title or "") + len(c.document.text)) // _CHARS_PER_TOKEN + 1 for c in candidates
        ]

    @property
    def left(self) -> bool:
        """Whether a call about two documents may be affordable."""
        return self._calls >= 1 and self._docs >= 2 and self._tokens > _PROMPT_TOKENS

    def reach(self, places: Sequence[int], size: int) -> int:
        """How many of these places, from the first on, can be read once in groups of at most `size`."""
        tokens = 0
        for count, place in enumerate(places):
            calls = count // size + 1
            tokens += self._lengths[place]
            if count >= self._docs or calls > self._calls or tokens + calls * _PROMPT_TOKENS > self._tokens:
                return count
        return len(places)

    def buy(self, group: Sequence[int]) -> list[int]:
        """As much of a group as there is money for, paid; nothing where that is less than two documents."""
        bought: list[int] = []
        tokens = _PROMPT_TOKENS
        for place in group if self._calls >= 1 else ():
            if len(bought) + 1 > self._docs or tokens + self._lengths[place] > self._tokens:
                break
            bought.append(place)
            tokens += self._lengths[place]
        if len(bought) < 2:
            return []
        self._calls -= 1
        self._docs -= len(bought)
        self._tokens -= tokens
        return bought
