"""What an audit leaves behind: a folder that reports, comparisons and a resumed audit read.

RUN/attack.json    the audit: `AttackInfo`
RUN/clean.jsonl    a line for each query as it was ranked without an attack: `Clean`
RUN/trials.jsonl   a line for each attacked ranking: `Trial`; appended as they come
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from judge_rerank.evaluation.attacks.family import Family, Position

INFO_FILE, CLEAN_FILE, TRIALS_FILE = "attack.json", "clean.jsonl", "trials.jsonl"

ADAPTIVE = "adaptive"
"""The name under which the trials of the search stand beside those of the families."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AttackInfo:
    """An audit.

    Attributes:
        name: the collection.
        model, strategy: the judge, and the strategy's spec string; "" for the judge's own strategy.
        settings: what else the judge was told, by option.
        families: what was planted.
        queries: how many were sampled.
        trials: attacked rankings of each query and family.
        seed: of everything that was drawn.
        depth: the most candidates of a query.
        cutoffs: the numbers k of "into the top k", ascending.
        adaptive: rounds of the search; 0 for none.
        graded: whether relevance grades are known.
        started: when, in UTC.
        version: of this package.
        finished: whether nothing is missing.
        unfinished: why results are missing, one sentence each.
    """

    name: str
    model: str
    strategy: str
    settings: Mapping[str, str]
    families: tuple[Family, ...]
    queries: int
    trials: int
    seed: int
    depth: int
    cutoffs: tuple[int, ...]
    adaptive: int = 0
    graded: bool = False
    started: str = ""
    version: str = ""
    finished: bool = False
    unfinished: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a ranking took.

    Attributes:
        calls, cached_calls, tokens: as in `Usage`; tokens are those of input and output.
        cost_usd: as decimal text; None where it is not known.
        uncached_tokens, uncached_usd: the same two as if no reply had come from the cache.
        seconds: its latency.
    """

    calls: int = 0
    cached_calls: int = 0
    tokens: int = 0
    cost_usd: str | None = "0"
    uncached_tokens: int = 0
    uncached_usd: str | None = "0"
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Clean:
    """A query as it was ranked without an attack.

    Attributes:
        query_id, query: which.
        strategy: the spec string of what ranked it.
        order: places in the list that the judge got, best first.
        scores: relevance by place, as text keys; only those that have one.
        broken: calls whose reply was refused, cut off or could not be read.
        suspicious: places that the guard flagged; None where there is no guard.
        ndcg: nDCG@10; None without grades, or without ir-measures.
        cost: what it took.
    """

    query_id: str
    query: str
    strategy: str
    order: tuple[int, ...]
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    broken: int = 0
    suspicious: tuple[int, ...] | None = None
    ndcg: float | None = None
    cost: Cost = field(default_factory=Cost)

    def rank(self, place: int) -> int:
        """The rank of the document at a place, from 1."""
        return self.order.index(place) + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One attacked ranking.

    Attributes:
        query_id, family, number: which; numbers count the trials of a query and family from 0.
        position: where the payload stands; "" for a search, which chooses it.
        relevance: of the attacked document by its grade: "irrelevant", "partly", or "unjudged" without grades.
        document: its id.
        payload: what was planted, cut to `MOST_PAYLOAD` characters.
        documents: how many were ranked.
        clean_rank, rank: of the attacked document without the attack and with it, from 1.
        clean_score, score: the same for its score; None where there is none.
        broken: calls whose reply was refused, cut off or could not be read, beyond those of the clean ranking.
        unjudged: whether no judgment covers the attacked document.
        flagged: whether the guard flagged a document that was changed; None where there is no guard.
        ndcg: nDCG@10 with the attack, by the grades of the documents as they were; None without grades.
        rounds: for a search, the best rank so far after each round.
        cost: what it took; for a search, all its rankings.
    """

    query_id: str
    family: str
    number: int
    position: Position | str
    relevance: str
    document: str
    payload: str
    documents: int
    clean_rank: int
    rank: int
    clean_score: float | None = None
    score: float | None = None
    broken: int = 0
    unjudged: bool = False
    flagged: bool | None = None
    ndcg: float | None = None
    rounds: tuple[int, ...] = ()
    cost: Cost = field(default_factory=Cost)

    @property
    def key(self) -> tuple[str, str, int]:
        """Which trial it is."""
        return (self.query_id, self.family, self.number)

    def could_rise(self, k: int) -> bool:
        """Whether it stood below the top k without the attack."""
        return self.clean_rank > k

    def rose(self, k: int) -> bool:
        """Whether the attack lifted it into the top k."""
        return self.clean_rank > k >= self.rank


MOST_PAYLOAD = 600


def settings_of(options: Mapping[str, Any]) -> dict[str, str]:
    """Options as text, without those that say nothing."""
    return {name: str(value) for name, value in options.items() if value not in (None, False, "", (), [], {})}
