"""The rankings of an audit: each query without an attack, with each attack, and round by round in a search."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, TypeVar

from judge_rerank.core import BudgetExceeded, Ranking
from judge_rerank.evaluation.attacks.drawing import Attempt, Drawn, attempts
from judge_rerank.evaluation.attacks.family import Family
from judge_rerank.evaluation.attacks.measuring import Measure
from judge_rerank.evaluation.attacks.options import AttackOptions, AttackProgress
from judge_rerank.evaluation.attacks.record import ADAPTIVE, Clean, Trial
from judge_rerank.evaluation.attacks.search import ModelWriter, Payload, Search, Seen, TemplateWriter, Writer
from judge_rerank.evaluation.runfolder import Lines

if TYPE_CHECKING:
    from judge_rerank.core import Document, Query, Strategy
    from judge_rerank.engine import RankKeywords
    from judge_rerank.judge import Judge

Item = TypeVar("Item")

# What keeps a ranking from being finished, unlike replies that came and could not be used.
_UNFINISHED = frozenset({"provider", "budget", "ledger", "deadline", "cancelled"})
_GIVE_UP = 10
"""Rankings in a row that were not finished, after which the audit ends."""


@dataclass(kw_only=True)
class Runner:
    """One process's share of an audit."""

    judge: Judge
    strategy: str | Strategy | None
    options: RankKeywords
    measure: Measure
    families: Sequence[Family]
    topics: Sequence[Drawn]
    asked: AttackOptions
    clean: dict[str, Clean]
    trials: dict[tuple[str, str, int], Trial]
    lines: tuple[Lines | None, Lines | None]
    watch: Callable[[AttackProgress], None] | None
    unfinished: list[str] = field(default_factory=list[str])
    _done: int = 0
    _failed_in_a_row: int = 0

    @property
    def total(self) -> int:
        """How many rankings there will be."""
        per_query = 1 + len(self.families) * self.asked.trials + self.asked.adaptive
        return len(self.topics) * per_query

    async def run(self) -> None:
        """Every ranking that is not there yet."""
        try:
            await self._rank_clean()
            await self._rank_attacked()
            if self.asked.adaptive:
                await self._search()
        except BudgetExceeded as error:
            self.unfinished.append(f"The audit ended early: {error}")

    async def _rank_clean(self) -> None:
        missing = [drawn for drawn in self.topics if drawn.id not in self.clean]
        self._count(len(self.topics) - len(missing), "")
        pairs = ((drawn.topic.query, list(drawn.documents)) for drawn in missing)
        async for drawn, ranking in self._ranked(missing, pairs):
            record = self.measure.clean(drawn, ranking)
            _write(self.lines[0], record)
            self.clean[drawn.id] = record
            self._count(1, "")

    async def _rank_attacked(self) -> None:
        wanted = list(self._attempts())
        todo = [(attempt, attempt.planted()) for attempt in wanted if attempt.key not in self.trials]
        self._count(len(wanted) - len(todo), "")
        pairs = ((attempt.drawn.topic.query, attempt.documents(made)) for attempt, made in todo)
        async for (attempt, made), ranking in self._ranked(todo, pairs):
            self._keep(self.measure.trial(attempt, made, self.clean[attempt.drawn.id], ranking))
            self._count(1, attempt.family)

    def _attempts(self) -> Iterator[Attempt]:
        """All attacks, those on one query together, so that what the judge has read of it is used again.

        There is none on a query whose clean ranking is missing.
        """
        for drawn in self.topics:
            if drawn.id not in self.clean:
                continue
            for family in self.families:
                yield from attempts(drawn, family.name, trials=self.asked.trials, seed=self.asked.seed)

    async def _search(self) -> None:
        """Search against one document of each query; all queries advance side by side, a round at a time."""
        writer: Writer = (
            TemplateWriter() if self.asked.attacker is None else ModelWriter(self.judge, self.asked.attacker)
        )
        searches: list[tuple[Search, list[Trial]]] = []
        for drawn in self.topics:
            (attempt,) = attempts(drawn, ADAPTIVE, trials=1, seed=self.asked.seed)
            clean = self.clean.get(drawn.id)
            if clean is None or attempt.key in self.trials:
                continue
            searches.append((Search(attempt=attempt, clean=_seen(clean, attempt)), []))
        for _ in range(self.asked.adaptive):
            searches = await self._round(writer, searches)
        for search, made in searches:
            self._keep(self.measure.searched(search, made))

    async def _round(
        self, writer: Writer, searches: Sequence[tuple[Search, list[Trial]]]
    ) -> list[tuple[Search, list[Trial]]]:
        """One round of those that are not at the top yet; a search whose ranking was not finished is given up."""
        done = [each for each in searches if each[0].best is not None and each[0].best.rank == 1]
        active = [each for each in searches if each not in done]
        payloads = await writer.write([search for search, _ in active])
        planted = [search.planted(payload) for (search, _), payload in zip(active, payloads, strict=True)]
        pairs = (
            (search.attempt.drawn.topic.query, search.attempt.documents(made))
            for (search, _), made in zip(active, planted, strict=True)
        )
        items = list(zip(active, payloads, planted, strict=True))
        async for ((search, made), payload, change), ranking in self._ranked(items, pairs):
            trial = self.measure.trial(search.attempt, change, self.clean[search.attempt.drawn.id], ranking)
            search.note(payload, trial.rank, trial.score)
            made.append(trial)
            done.append((search, made))
            self._count(1, ADAPTIVE)
        return done

    async def _ranked(
        self, items: Sequence[Item], pairs: Iterable[tuple[Query, list[Document]]]
    ) -> AsyncIterator[tuple[Item, Ranking]]:
        """The rankings that were finished, each with what it is of."""
        cancel = self.options.get("cancel")
        if self._stopped or not items:
            return
        place = 0
        async for ranking in self.judge.arerank_many(pairs, self.strategy, **self.options):
            item, place = items[place], place + 1
            if set(ranking.integrity.failed) & _UNFINISHED:
                self._failed_in_a_row += 1
                self.unfinished += ranking.reasons[:1]
            else:
                self._failed_in_a_row = 0
                yield item, ranking
            if cancel is not None and cancel.cancelled:
                self.unfinished.append("The audit was interrupted.")
            if self._stopped:
                return

    @property
    def _stopped(self) -> bool:
        """Whether there is no point in going on."""
        cancel = self.options.get("cancel")
        return self._failed_in_a_row >= _GIVE_UP or (cancel is not None and cancel.cancelled)

    def _keep(self, trial: Trial) -> None:
        _write(self.lines[1], trial)
        self.trials[trial.key] = trial

    def _count(self, rankings: int, family: str) -> None:
        self._done += rankings
        if self.watch is not None and rankings:
            self.watch(AttackProgress(done=self._done, total=self.total, now=family))


def _seen(clean: Clean, attempt: Attempt) -> Seen:
    """What the attacker saw of the document as it was."""
    nothing = Payload(fragments=(), position=attempt.position)
    return Seen(payload=nothing, rank=clean.rank(attempt.victim), score=clean.scores.get(str(attempt.victim)))


def _write(lines: Lines | None, record: Clean | Trial) -> None:
    if lines is not None:
        lines.add(asdict(record))
