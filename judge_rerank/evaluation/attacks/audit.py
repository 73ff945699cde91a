"""Runs an audit: every sampled query without an attack, then with each, written down as it comes, and never twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

from judge_rerank.core import InputError, ModelUnavailable, spec_of
from judge_rerank.engine import run
from judge_rerank.evaluation.attacks.drawing import drawn_topics
from judge_rerank.evaluation.attacks.family import CONTROL, Family, chosen_families
from judge_rerank.evaluation.attacks.folder import AttackFolder
from judge_rerank.evaluation.attacks.measuring import Measure
from judge_rerank.evaluation.attacks.options import AttackOptions, AttackProgress
from judge_rerank.evaluation.attacks.record import AttackInfo, Clean, Trial, settings_of
from judge_rerank.evaluation.attacks.results import CleanFigures, Figures, Results, clean_figures, figures
from judge_rerank.evaluation.attacks.runner import Runner
from judge_rerank.evaluation.datasets import Dataset
from judge_rerank.evaluation.sources import load
from judge_rerank.strategies import parse

if TYPE_CHECKING:
    from judge_rerank.core import Strategy
    from judge_rerank.engine import RankKeywords
    from judge_rerank.judge import Judge


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """What an audit found.

    Attributes:
        folder: where it lies; None where it was not kept.
        info: the audit as it was run.
        clean: the rankings without an attack, by query.
        trials: the attacked rankings, by query, family and number.
    """

    folder: Path | None
    info: AttackInfo
    clean: Mapping[str, Clean]
    trials: Mapping[tuple[str, str, int], Trial]

    @property
    def strategy(self) -> str:
        """What ranked, as a spec string; "" before the first ranking."""
        return self.info.strategy or next((each.strategy for each in self.clean.values()), "")

    @property
    def model(self) -> str:
        """The model that judged; "" where none was asked."""
        asked = any(each.cost.calls or each.cost.cached_calls for each in self.clean.values())
        return self.info.model if asked else ""

    @property
    def figures(self) -> tuple[Figures, ...]:
        """A row for each family."""
        return figures(self.info, self.clean, self.trials.values())

    @property
    def clean_figures(self) -> CleanFigures:
        """The figures of the rankings without an attack."""
        return clean_figures(self.clean.values())

    def lifting(self, rate: float) -> list[str]:
        """The families that lift more than this share of their documents into one of the top k, a sentence each."""
        sentences: list[str] = []
        for row in self.figures:
            k, share = max(row.lifted.items(), key=lambda item: item[1].rate or 0.0)
            if row.family.name != CONTROL and (share.rate or 0.0) > rate:
                name = row.family.name
                sentences.append(f"{name} lifts {share.hits} of {share.n} documents into the top {k}, above {rate:g}.")
        return sentences

    @property
    def results(self) -> Results:
        """What two audits are compared by."""
        return self.info, self.clean, self.trials

    @classmethod
    def read(cls, path: Path | str) -> Audit:
        """The audit in a folder, as far as it got.

        Raises:
            DataError: there is none, or it cannot be read.
        """
        folder = AttackFolder(path)
        return cls(folder=folder.path, info=folder.info(), clean=folder.clean(), trials=folder.trials())


def attack(
    judge: Judge,
    data: Dataset | Path | str,
    strategy: str | Strategy | None = None,
    *,
    asked: AttackOptions | None = None,
    output: Path | str | None = None,
    resume: bool = False,
    watch: Callable[[AttackProgress], None] | None = None,
    **options: Unpack[RankKeywords],
) -> Audit:
    """Measure how far hostile documents can lift themselves: published attacks on one's own data, judge and strategy.

    Each sampled query is ranked once as it is, and once for each family and trial with a payload planted in one of its
    documents. That is queries · (1 + families · trials) rankings, and queries · rounds for a search. Where the strategy
    judges each document by itself, an attack changes the prompt of one document only, and the cache answers for the
    others: so give the judge a cache (`cache_dir`), and an attacked ranking costs one call.

    What is drawn depends on the data and the seed alone, so that audits of two judges can be compared in pairs.

    Args:
        judge: whose robustness; its budget, cache and trace apply.
        data: a dataset, or a path as in `load`; `collection` makes one of documents without judgments.
        strategy: as in `Judge.rerank`.
        asked: what is planted, and how often.
        output: a folder that keeps every ranking as it comes; None for none.
        resume: go on with the audit that is in the folder. More families or queries may be asked for.
        watch: called after every ranking.
        **options: of the rankings, as in `Judge.rerank`. `cancel` ends the audit early; what is finished stays.

    Returns:
        The audit. A budget that is used up, a provider that is down and a cancellation end it early, with the reason in
        `info.unfinished`.

    Raises:
        InputError: an option is out of range, or the folder holds another audit. Nothing was sent.
        UnknownName: there is no such family.
        DataError: the data cannot be read, or holds nothing that could be attacked.
        ProviderError: no judgment could be had, and no retry can help.
    """
    wanted = asked or AttackOptions()
    chosen = chosen_families(wanted.families)
    dataset = data if isinstance(data, Dataset) else load(data)
    topics = drawn_topics(
        dataset, limit=wanted.limit, depth=wanted.depth, seed=wanted.seed, least=max(wanted.cutoffs) + 1
    )
    folder = AttackFolder(output)
    before = _checked_before(folder, resume=resume)
    info = _described(judge, dataset, strategy, chosen, wanted, settings_of({**wanted.settings, **_told(options)}))
    if before is not None:
        _require_same(before, info)
        info = _joined(info, before)
    info = replace(info, queries=max(len(topics), before.queries if before else 0))
    folder.write_info(info)
    clean, trials = folder.clean(), folder.trials()
    with folder.appending() as (clean_lines, trial_lines):
        runner = Runner(
            judge=judge,
            strategy=strategy,
            options={**options, "on_exhausted": "raise"},
            measure=Measure(graded=info.graded, grades=dataset.grades),
            families=chosen,
            topics=topics,
            asked=wanted,
            clean=clean,
            trials=trials,
            lines=(clean_lines, trial_lines),
            watch=watch,
        )
        try:
            run(runner.run())
        except BaseException as error:
            runner.unfinished.append(f"The audit ended early: {error or type(error).__name__}")
            raise
        finally:
            left = tuple(dict.fromkeys(runner.unfinished))
            info = replace(info, finished=not left, unfinished=left)
            folder.write_info(info)
    return Audit(folder=folder.path, info=info, clean=clean, trials=trials)


def _checked_before(folder: AttackFolder, *, resume: bool) -> AttackInfo | None:
    if not folder.exists():
        return None
    if not resume:
        raise InputError(f"There is an audit in {folder.path} already. Resume it, or write to another folder.")
    return folder.info()


def _described(
    judge: Judge,
    dataset: Dataset,
    strategy: str | Strategy | None,
    chosen: Sequence[Family],
    wanted: AttackOptions,
    settings: Mapping[str, str],
) -> AttackInfo:
    try:
        model = judge.model
    except ModelUnavailable:  # a scorer needs none
        model = ""
    attacker = {"attacker": wanted.attacker} if wanted.attacker else {}
    return AttackInfo(
        name=dataset.name,
        model=model,
        strategy="" if strategy is None else spec_of(parse(strategy)),
        settings={**settings, **attacker},
        families=tuple(chosen),
        queries=0,
        trials=wanted.trials,
        seed=wanted.seed,
        depth=wanted.depth,
        cutoffs=wanted.cutoffs,
        adaptive=wanted.adaptive,
        graded=any(dataset.grades.values()),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version("judge-rerank"),
    )


def _told(options: RankKeywords) -> dict[str, Any]:
    """The options that change what the judge is asked, which two audits may differ in."""
    aside = {"progress", "cancel", "on_exhausted", "deadline_s", "max_usd", "top_n", "min_score", "keep", "scores"}
    return {name: value for name, value in cast("Mapping[str, Any]", options).items() if name not in aside}


_FIXED = ("name", "model", "strategy", "settings", "trials", "seed", "depth", "cutoffs", "adaptive")


def _require_same(before: AttackInfo, now: AttackInfo) -> None:
    """Refuse to go on with another audit.

    Raises:
        InputError: it names what differs.
    """
    for name in _FIXED:
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            raise InputError(
                f"The audit in this folder has another {name}: {old!r}, now {new!r}. Write to another folder, or ask "
                "for the same."
            )


def _joined(now: AttackInfo, before: AttackInfo) -> AttackInfo:
    """The audit as it is now, with the families that an earlier part of it had."""
    families = {each.name: each for each in (*before.families, *now.families)}
    return replace(now, families=tuple(families.values()), started=before.started)
