"""What an audit is asked for, and how far it has got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from judge_rerank.core import InputError

CUTOFFS = (1, 3, 5)
"""The numbers k of "into the top k", where nobody says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AttackOptions:
    """What is planted, and how often.

    Attributes:
        families: by name; None for all.
        limit: the most queries, drawn by the seed.
        trials: attacked rankings of each query and family. Positions (start, middle, end) and the true relevance of the
            attacked document take turns.
        depth: the most candidates of a query, from the top of the first stage.
        cutoffs: the numbers k of "into the top k".
        seed: of everything that is drawn: queries, their order, attacked documents, variants.
        adaptive: rounds of a search that changes its payload by what the rank of its document says; 0 for none.
        attacker: a model that writes the payloads of the search; None for templates.
        settings: what else to write down of how the judge was opened, by option.

    Raises:
        InputError: a number is out of range.
    """

    families: Sequence[str] | None = None
    limit: int = 20
    trials: int = 3
    depth: int = 20
    cutoffs: tuple[int, ...] = CUTOFFS
    seed: int = 0
    adaptive: int = 0
    attacker: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        for name in ("limit", "trials"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected at least 1.")
        if self.depth < 2:
            raise InputError(f"depth is {self.depth}; a document can rise among at least 2.")
        if self.adaptive < 0:
            raise InputError(f"adaptive is {self.adaptive}; expected a number of rounds, or 0 for none.")
        if self.attacker is not None and not self.adaptive:
            raise InputError("An attacker's model writes for a search; say how many rounds it has (adaptive).")
        if not self.cutoffs or min(self.cutoffs) < 1:
            raise InputError(f"cutoffs is {list(self.cutoffs)}; expected numbers from 1.")
        object.__setattr__(self, "cutoffs", tuple(sorted(set(self.cutoffs))))


@dataclass(frozen=True, kw_only=True, slots=True)
class AttackProgress:
    """Where an audit stands; passed to `watch` after every ranking.

    Attributes:
        done, total: rankings, those without an attack among them; a round of a search counts as one.
        now: the family that was tried last; "" for none.
    """

    done: int
    total: int
    now: str
