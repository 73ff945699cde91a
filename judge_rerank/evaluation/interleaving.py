"""Team-draft interleaving: two rankings shown as one list, and the clicks say which of them users prefer.

    shown = team_draft(control.order, treatment.order, seed=session_id)
    shown.items                       # show these
    shown.preferred(clicked)          # "a", "b" or None
    outcome(preferences)              # over all sessions

As in Radlinski, Kurup and Joachims, CIKM 2008: the two take turns, in pairs of turns whose first is drawn by a coin,
and each adds its best item that is not shown yet. Every user sees both rankings at once, so differences between users
fall out, and far fewer sessions are needed than when each user sees one (Chapelle et al., TOIS 2012).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Generic, Literal, TypeVar

from judge_rerank.core import InputError
from judge_rerank.evaluation.e_process import log_coin_evidence
from judge_rerank.evaluation.power import check_level, share_interval

Item = TypeVar("Item", bound=str | int)
Team = Literal["a", "b"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Interleaved(Generic[Item]):
    """One list made of two rankings.

    Attributes:
        items: what to show, best first.
        teams: which ranking each came from.
    """

    items: tuple[Item, ...]
    teams: tuple[Team, ...]

    def preferred(self, clicked: Iterable[Item]) -> Team | None:
        """The ranking with more clicked items; None where they are even. An item that was clicked twice counts once.

        Raises:
            InputError: an item was not shown.
        """
        wanted = set(clicked)
        if unknown := wanted - set(self.items):
            raise InputError(f"{next(iter(unknown))!r} was clicked, and was not in the list that was shown.")
        score = sum(
            1 if team == "a" else -1 for item, team in zip(self.items, self.teams, strict=True) if item in wanted
        )
        return None if score == 0 else "a" if score > 0 else "b"


def team_draft(
    a: Sequence[Item], b: Sequence[Item], *, seed: int | str, length: int | None = None
) -> Interleaved[Item]:
    """Interleave two rankings of items, given by id or index, best first.

    Args:
        a, b: the rankings. They may have different items; none of them may name one twice.
        seed: of the coin: something that differs from session to session, such as its id.
        length: the most items to show. The list also ends where the one whose turn it is has no more to add.

    Raises:
        InputError: a ranking names an item twice, or length is below 1.
    """
    for name, ranking in (("a", a), ("b", b)):
        if len(set(ranking)) < len(ranking):
            raise InputError(f"Ranking {name} names an item twice.")
    if length is not None and length < 1:
        raise InputError(f"length is {length}; expected at least 1.")
    dice = Random(seed)  # noqa: S311
    left: dict[Team, Iterator[Item]] = {"a": iter(a), "b": iter(b)}
    items: dict[Item, Team] = {}
    turns: list[Team] = []
    while length is None or len(items) < length:
        turns = turns or (["a", "b"] if dice.random() < 0.5 else ["b", "a"])
        team = turns.pop()
        item = next((item for item in left[team] if item not in items), None)
        if item is None:  # from here on the other one would gain every click
            break
        items[item] = team
    return Interleaved(items=tuple(items), teams=tuple(items.values()))


@dataclass(frozen=True, kw_only=True, slots=True)
class InterleavingOutcome:
    """Which of two rankings users prefer.

    Attributes:
        wins_a, wins_b: sessions in which one of them had more clicks.
        ties: sessions with clicks for neither or for both alike; they say nothing about the direction.
        share_b: of the sessions that were decided, how many b won; a half where none was.
        interval: its confidence interval (Wilson), for a number of sessions that was fixed beforehand.
        p: of the sign test, exact and two-sided; for a number of sessions that was fixed beforehand.
        p_any_time: holds however often one looks, and whenever one stops; greater than p.
    """

    wins_a: int
    wins_b: int
    ties: int
    share_b: float
    interval: tuple[float, float]
    p: float
    p_any_time: float


def outcome(preferences: Iterable[Team | None], *, alpha: float = 0.05) -> InterleavingOutcome:
    """Count the preferences of sessions and test whether one ranking wins more often than the other.

    Sessions should be those of different users, or far apart: the test takes them for independent.

    Raises:
        InputError: alpha is not between 0 and 1.
    """
    check_level("alpha", alpha)
    counted = list(preferences)
    a, b = counted.count("a"), counted.count("b")
    return InterleavingOutcome(
        wins_a=a,
        wins_b=b,
        ties=len(counted) - a - b,
        share_b=b / (a + b) if a + b else 0.5,
        interval=share_interval(b, a + b, alpha=alpha),
        p=sign_test(a, b),
        p_any_time=min(1.0, math.exp(-log_coin_evidence(a, b))),
    )


def sign_test(wins_a: int, wins_b: int) -> float:
    """The exact two-sided p-value of the hypothesis that both win equally often; ties are left out."""
    n = wins_a + wins_b
    fewer = min(wins_a, wins_b)
    tail = sum(math.exp(_log_choose(n, k) - n * math.log(2)) for k in range(fewer + 1))
    return min(1.0, 2 * tail)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
