"""Asking until the top is certain: what blitz does throughout, and other strategies at their end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, combinations, pairwise
from random import Random

from judge_rerank.core import Candidate, Candidates, Certainty, JudgeCall, Outcomes, Steps, Tier, Tiers
from judge_rerank.strategies.algorithms.preference_graph import Preferences

# A document that this many calls failed on is not asked about again: it keeps its place.
_MOST_FAILURES = 2
_DAMPING, _PAGE_RANK_STEPS = 0.85, 50


class PreferenceSearch:
    """What is known of the order of some candidates, and which question tells more of it.

    Args:
        candidates: in their present order; places below are places in it, from 0.
        question: the call that shows some of them.
        known: preferences stated earlier, by `index`.
    """

    def __init__(
        self,
        candidates: Candidates,
        question: Callable[[Sequence[Candidate]], JudgeCall],
        known: Sequence[Tiers] = (),
    ) -> None:
        n = len(candidates)
        self._candidates, self._question = candidates, question
        self._place = {candidate.index: place for place, candidate in enumerate(candidates)}
        self._asked = [0] * n
        self._failures = [0] * n
        self.stated: list[list[list[int]]] = []
        self._reads = [0] * n
        self.graph = Preferences(n)
        for tiers in known:
            self._note(tiers)

    def ask(self, groups: Sequence[Sequence[int]], rng: Random | None = None) -> Steps[list[list[int]]]:
        """One round, in which each group of places is put in order by itself; what the judge left out comes last.

        Documents are shown in their present order, or in one that `rng` draws.
        """
        shown = [rng.sample(sorted(group), len(group)) if rng else sorted(group) for group in groups]
        calls = [self._question([self._candidates[place] for place in group]) for group in shown]
        outcomes: Outcomes = (yield calls) if calls else ()
        orders: list[list[int]] = []
        for group, call, outcome in zip(groups, calls, outcomes, strict=True):
            tiers = outcome.preferences(call)
            everyone = sum(1 << place for place in group)
            for place in group:
                self._asked[place] |= everyone
                self._failures[place] += not tiers
            self._note(tiers)
            named = [self._place[index] for tier in tiers for index in tier]
            orders.append([*named, *sorted(set(group).difference(named))])
        return orders

    def search_top(self, top: int, size: int) -> Steps[None]:
        """Ask about at most `size` places at a time, one call a round, until the best `top` are known.

        Ends for every judge: each question holds a pair that was neither asked nor implied before.
        """
        while len(group := self._open(top, size)) > 1:
            yield from self.ask([group])

    def certain(self, top: int) -> bool:
        """Whether the best `top` are known without contradiction, each of them from two comparisons at least."""
        n = len(self._candidates)
        leaders = [place for place in range(n) if self.graph.better_than(place).bit_count() < min(top, n)]
        return len(leaders) == min(top, n) and all(
            self._reads[place] > 1
            and not self.graph.tied_with(place)
            and self.graph.related(place).bit_count() == n - 1
            for place in leaders
        )

    def order(self, strength: Mapping[int, float] | None = None) -> tuple[int, ...]:
        """Every `index`, best first.

        Where nothing contradicts the present order it stays. Else everything that the judge stated holds, as far as
        it did not contradict itself, and the rest goes by `strength` (by place; by default the share of comparisons
        won).
        """
        present = range(len(self._candidates))
        if self.graph.agrees_with(present):
            return tuple(candidate.index for candidate in self._candidates)
        rated = strength if strength is not None else self.win_rates
        best_first = self.graph.extension(sorted(present, key=lambda place: -rated[place]))
        return tuple(self._candidates[place].index for place in best_first)

    def tiers(self, order: Sequence[int], cuts: Sequence[int] | None = None) -> tuple[Tier, ...]:
        """What is certain of `order` (every `index`, best first).

        Args:
            order: the final order.
            cuts: after how many places it is certain; None for what follows from the statements.
        """
        places = [self._place[index] for index in order]
        bounds = [0, *(self.graph.certain_cuts(places) if cuts is None else cuts), len(order)]
        return tuple(
            Tier(
                first=start + 1,
                indices=tuple(order[start:end]),
                certainty=self._certainty(places[start:end]),
            )
            for start, end in pairwise(bounds)
        )

    def _certainty(self, places: Sequence[int]) -> Certainty:
        if len(places) == 1:
            return "certain"
        return "tied" if self.graph.all_tied(places) else "open"

    @property
    def unread(self) -> list[int]:
        """The places of which nothing is known."""
        return [place for place in range(len(self._candidates)) if not self.graph.related(place)]

    @property
    def win_rates(self) -> dict[int, float]:
        """By place, the share of its comparisons that it won; a half where there was none."""
        n = len(self._candidates)
        won, met = [0] * n, [0] * n
        for tiers in self.stated:
            total, above = sum(map(len, tiers)), 0
            for tier in tiers:
                below = total - above - len(tier)
                for place in tier:
                    won[place] += below
                    met[place] += above + below
                above += len(tier)
        return {place: won[place] / met[place] if met[place] else 0.5 for place in range(n)}

    @property
    def page_ranks(self) -> dict[int, float]:
        """By place, its PageRank in the graph in which every comparison leads from the loser to the winner."""
        n = len(self._candidates)
        pairs = Counter(
            (one, other)
            for tiers in self.stated
            for above, below in combinations(tiers, 2)
            for one in above
            for other in below
        )
        lost = Counter[int]()
        for (_, loser), count in pairs.items():
            lost[loser] += count
        ranks = [1 / n] * n
        for _ in range(_PAGE_RANK_STEPS):
            idle = sum(ranks[place] for place in range(n) if not lost[place])
            gained = [(1 - _DAMPING + _DAMPING * idle) / n] * n
            for (winner, loser), count in pairs.items():
                gained[winner] += _DAMPING * ranks[loser] * count / lost[loser]
            ranks = gained
        return dict(enumerate(ranks))

    def _note(self, tiers: Tiers) -> None:
        places = [[self._place[index] for index in tier if index in self._place] for tier in tiers]
        present = [tier for tier in places if tier]
        if len(present) < 2:
            return
        self.stated.append(present)
        for place in chain.from_iterable(present):
            self._reads[place] += 1
        # From the end, so that each step closes over all that is below it at once.
        for better, worse in reversed(list(pairwise(present))):
            for one in better:
                for other in worse:
                    self.graph.add(one, other)

    def _open(self, top: int, size: int) -> list[int]:
        """The next group: contenders for the top, one of each tie, least beaten first, with relations unknown."""
        beaten = {
            place: count
            for place in range(len(self._candidates))
            if self._failures[place] < _MOST_FAILURES and (count := self.graph.better_than(place).bit_count()) < top
        }
        contenders, mask = list[int](), 0
        for place in sorted(beaten, key=lambda place: (beaten[place], place)):
            if not self.graph.tied_with(place) & mask:
                contenders.append(place)
                mask |= 1 << place
        group, chosen = list[int](), 0
        for place in contenders:
            unknown = mask & ~(self.graph.related(place) | self._asked[place] | 1 << place)
            if unknown and (not group or unknown & chosen):
                group.append(place)
                chosen |= 1 << place
                if len(group) == size:
                    break
        return group
