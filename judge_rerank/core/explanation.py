"""How a document came to its place, told from the judgments in a ranking."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from judge_rerank.core.criteria import criteria_text
from judge_rerank.core.documents import Document, Query
from judge_rerank.core.errors import InputError
from judge_rerank.core.findings import Finding
from judge_rerank.core.judgments import Judgment
from judge_rerank.core.money import dollars
from judge_rerank.core.tiers import Tier

if TYPE_CHECKING:
    from judge_rerank.core.ranking import RankedDocument, Ranking

_SHOWN_CHARACTERS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What one stage said of the document.

    Attributes:
        stage: the strategy that asked.
        judgments: its judgments of the document, in the order in which they were asked for.
        place: of the document among all in the ranking by this stage's scores, from 1; ties keep first-stage order.
            None where the stage gave no score.
    """

    stage: str
    judgments: tuple[Judgment, ...]
    place: int | None = None

    def __str__(self) -> str:
        said = ", ".join(judgment_text(judgment) for judgment in self.judgments)
        return f"{self.stage} {said}" + (f" (place {self.place})" if self.place else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """A document's path through the stages. `str()` tells it with prompts, replies and prices.

    Attributes:
        query: what was asked.
        result: the document, its final rank and its judgments.
        total: how many documents the ranking holds.
        steps: one for each stage that judged it, in order; empty for a document that was never judged.
        tier: what is certain of its place; None where the strategy does not know it, or an earlier stage cut it.
    """

    query: Query
    result: RankedDocument
    total: int
    steps: tuple[Step, ...]
    tier: Tier | None = None

    @property
    def path(self) -> str:
        """The whole path in one line, places counted from 1."""
        places = [f"first stage {self.result.index + 1}", *map(str, self.steps)]
        return " → ".join([*places, f"rank {self.result.rank} of {self.total}"])

    def __str__(self) -> str:
        document = self.result.document
        name = f"index {self.result.index}" + (f", id {document.id}" if document.id else "")
        lines = [
            f"query     {_short(self.query.text)}",
            *_wishes(self.query),
            f"document  {_short(' '.join(filter(None, (document.title, document.text))))}  ({name})",
            f"path      {self.path}",
        ]
        if self.tier is not None:
            lines.append(f"certain   {self.tier}")
        lines += [f"warning   {warning_text(warning, document)}" for warning in self.result.warnings]
        for judgment in self.result.judgments:
            lines += ["", *_details(judgment)]
        if not self.steps:
            lines.append("          no judgment covers it; it keeps its first-stage place")
        return "\n".join(lines)


def explain(ranking: Ranking, *, index: int) -> Explanation:
    """The path of the document at first-stage position `index` (from 0).

    Raises:
        InputError: the ranking's results hold no such document.
    """
    result = next((r for r in ranking.results if r.index == index), None)
    if result is None:
        held = f"the results hold {len(ranking)} documents"
        raise InputError(
            f"No document with index {index} is in this ranking; {held}. Was it cut off by top_n or min_score?"
        )
    steps = tuple(
        Step(stage=stage, judgments=tuple(judgments), place=_place(ranking, stage, index))
        for stage, judgments in groupby(result.judgments, key=lambda judgment: judgment.stage)
    )
    tier = next((tier for tier in ranking.tiers or () if index in tier.indices), None)
    return Explanation(query=ranking.query, result=result, total=len(ranking), steps=steps, tier=tier)


def _place(ranking: Ranking, stage: str, index: int) -> int | None:
    scores = {
        result.index: judgment.score
        for result in ranking.results
        # A later judgment of the same stage replaces an earlier one; of passages, that of the deciding one counts.
        for judgment in result.judgments
        if judgment.stage == stage and judgment.score is not None and judgment.passage in (None, result.evidence)
    }
    if index not in scores:
        return None
    mine = scores[index]
    return 1 + sum(score > mine or (score == mine and other < index) for other, score in scores.items())


def _wishes(query: Query) -> list[str]:
    """What the judge was to heed beside the query, a line each."""
    said = {
        "instruct": query.instruction,
        "criteria": criteria_text(query.criteria),
        "fields": ", ".join(query.fields),
    }
    return [f"{name:<8}  {_short(text)}" for name, text in said.items() if text]


def judgment_text(judgment: Judgment) -> str:
    """What a call said of a document, in a few words: "yes (1)", "2nd of 10", "no judgment (refused)"."""
    if judgment.failure is not None:
        return f"no judgment ({judgment.failure})"
    if judgment.position is not None:
        return f"{_ordinal(judgment.position)} of {len(judgment.window)}"
    if judgment.score is None:
        return judgment.label or "judged"
    return f"{judgment.score:.3g}" if judgment.label is None else f"{judgment.label} ({judgment.score:.3g})"


def _details(judgment: Judgment) -> list[str]:
    price = "price unknown" if judgment.cost_usd is None else dollars(judgment.cost_usd)
    prompt = judgment.prompt or "no prompt"
    if judgment.prompt_hash:
        prompt += f" ({judgment.prompt_hash[:12]})"
    facts = [
        prompt,
        judgment.model or "no model",
        f"{judgment.input_tokens:,} + {judgment.output_tokens:,} tokens",
        price + (" (from the cache)" if judgment.cached else ""),
        f"{judgment.latency_s:.2f} s",
    ]
    lines = [f"round {judgment.round:<3} {judgment.stage}: {judgment_text(judgment)}", f"  asked   {' · '.join(facts)}"]
    if judgment.window:
        documents = "1 document" if len(judgment.window) == 1 else f"{len(judgment.window)} documents"
        lines.append(f"  shown   {documents}, index {_short(_list(judgment.window))}")
    if judgment.passage is not None:
        lines.append(f"  passage characters {judgment.passage.start:,} to {judgment.passage.end:,}")
    if judgment.reply is not None:
        lines.append(f"  reply   {_short(judgment.reply)}")
    if judgment.reason:
        lines.append(f"  reason  {_short(judgment.reason)}")
    if judgment.repairs:
        lines.append(f"  repair  {'; '.join(judgment.repairs)}")
    return lines


def warning_text(warning: Finding, document: Document) -> str:
    """What is suspicious in a document, where, and what stands there."""
    where = "" if warning.part == "text" else f" of {warning.part}"
    held = document.text if warning.part == "text" else document.title or "" if warning.part == "title" else ""
    said = f": {_short(held[warning.start : warning.end])}" if held else ""
    return f"characters {warning.start:,} to {warning.end:,}{where}: {warning.reason}{said}"


def _list(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 1] + "…"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
