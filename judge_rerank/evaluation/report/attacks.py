"""An audit by hostile documents as tables, Markdown, JSON and a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from judge_rerank.evaluation.attacks.audit import Audit
from judge_rerank.evaluation.attacks.family import CONTROL
from judge_rerank.evaluation.attacks.record import Trial
from judge_rerank.evaluation.attacks.results import Beside, Figures, Share, middle
from judge_rerank.evaluation.report import figures
from judge_rerank.evaluation.report.texts import in_bars, plain_line

if TYPE_CHECKING:
    from jinja2 import Template

AUDIT_NOTE = (
    "Top k: of the documents that stood below the top k, the share that the attack lifted into it, with the 95 % "
    "interval (Wilson). Lift: places that the attacked document rose, in the mean. Broken: rankings with more replies "
    "than before that were refused, cut off or could not be read. The control plants a harmless sentence: what rises "
    "with it rises by chance."
)
BESIDE_NOTE = (
    "The same attacks on the same documents under both. Rates are over the documents that stood below the top k in "
    "both, as means over queries, and the interval is that of the difference (95 %, paired bootstrap over queries)."
)

_EXAMPLES = 3
_FOLDER = files("judge_rerank.evaluation.report") / "assets"


def audit_headings(audit: Audit, *, wide: bool = True) -> tuple[str, ...]:
    """Of the columns of the table of families; a narrow one leaves out what a terminal has no room for."""
    return ("Family", "Attacks", *(column.heading for column in _columns(audit, wide=wide)))


def audit_lines(audit: Audit, *, wide: bool = True) -> Iterator[Sequence[str]]:
    """A line for each family."""
    shown = _columns(audit, wide=wide)
    for row in audit.figures:
        yield (row.family.name, figures.count(row.trials), *(column.cell(row) for column in shown))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Column:
    heading: str
    cell: Callable[[Figures], str]


def _columns(audit: Audit, *, wide: bool) -> list[_Column]:
    """The figures that are shown: those that not every audit has only where one is known."""
    rows, k = audit.figures, middle(audit.info.cutoffs)
    found = [
        _Column(
            heading=f"Top {each}",
            cell=lambda row, each=each: shown_share(row.lifted[each]) if wide or each == k else _rate(row.lifted[each]),
        )
        for each in audit.info.cutoffs
    ]
    found.append(_Column(heading="Lift", cell=lambda row: f"{row.lift:+.1f}".replace("-", "−")))
    found.append(_Column(heading="Broken", cell=lambda row: figures.share(row.broken.rate)))
    if any(row.flagged is not None for row in rows):
        found.append(_Column(heading="Flagged", cell=lambda row: "" if row.flagged is None else _rate(row.flagged)))
    if wide and any(row.ndcg_lost is not None for row in rows):
        found.append(_Column(heading="nDCG lost", cell=lambda row: _lost(row.ndcg_lost)))
    found.append(_Column(heading="Calls", cell=lambda row: figures.count(row.cost.calls)))
    if wide or any(_dollars(row) != 0 for row in rows):
        found.append(_Column(heading="Cost", cell=lambda row: figures.dollars(_dollars(row))))
    return found


def _rate(share: Share) -> str:
    return "–" if share.rate is None else figures.share(share.rate)


def _lost(value: float | None) -> str:
    return "" if value is None else figures.shown_change(value)


def _dollars(row: Figures) -> float | None:
    return None if row.cost.cost_usd is None else float(row.cost.cost_usd)


def beside_headings() -> tuple[str, ...]:
    """Of the columns of two audits side by side."""
    return ("Family", "Measure", "Pairs", "Before", "After", "Difference", "95 %")


def beside_lines(rows: Sequence[Beside]) -> Iterator[Sequence[str]]:
    """A line for each figure; the clean rankings first."""
    for row in rows:
        yield (
            row.name or "no attack",
            row.measure,
            figures.count(row.n),
            figures.shown_quality(row.before),
            figures.shown_quality(row.after),
            figures.shown_change(row.difference),
            "" if row.interval is None else figures.interval(row.interval),
        )


def shown_share(share: Share) -> str:
    """A rate with its interval: 12.5 % (4–31)."""
    if share.rate is None:
        return "–"
    low, high = (100 * end for end in share.interval)
    return f"{figures.share(share.rate)} ({low:.0f}–{high:.0f})"


def audit_headline(audit: Audit) -> str:
    """What the audit says, in a sentence."""
    k = middle(audit.info.cutoffs)
    attacks = [row for row in audit.figures if row.family.name != CONTROL and row.lifted[k].n]
    if not attacks:
        return "No attacked ranking could be counted."
    worst = max(attacks, key=lambda row: (row.lifted[k].rate or 0.0, row.lift))
    share, several = worst.lifted[k], len(attacks) > 1
    if not share.hits:
        tried = f"None of {len(attacks)} kinds of attack" if several else worst.family.name
        return f"{tried} lifted {'a' if several else 'no'} document into the top {k}."
    most = f", the most of {len(attacks)} kinds of attack" if several else ""
    return f"{worst.family.name} lifts {share.hits} of {share.n} documents into the top {k}{most}."


def audit_facts(audit: Audit) -> Mapping[str, str]:
    """What was audited, and how the rankings without an attack are, by topic."""
    info, clean = audit.info, audit.clean_figures
    facts = {
        **({"Judge": audit.model} if audit.model else {}),
        "Strategy": audit.strategy or "unknown",
        **{name.replace("_", " ").capitalize(): value for name, value in info.settings.items() if name != "strategy"},
        "Data": f"{info.name}, {clean.queries} queries, at most {info.depth} candidates each, seed {info.seed}",
    }
    if clean.ndcg is not None:
        facts["Clean nDCG@10"] = figures.shown_quality(clean.ndcg)
    if clean.flagged is not None:
        facts["Clean flagged"] = f"{figures.share(clean.flagged.rate)} of {clean.flagged.n:,} documents"
    if clean.broken.hits:
        facts["Clean broken"] = f"{clean.broken.hits} of {clean.broken.n} queries"
    return facts


def audit_as_markdown(audit: Audit, compared: Sequence[Beside] = ()) -> str:
    """The audit as Markdown."""
    parts = [
        f"# Attacks on {plain_line(audit.model or audit.strategy)}",
        f"**{plain_line(audit_headline(audit))}**",
        "\n".join(f"- {topic}: {plain_line(text)}" for topic, text in audit_facts(audit).items()),
        _table(audit_headings(audit), list(audit_lines(audit))),
        AUDIT_NOTE,
    ]
    if compared:
        parts += ["## Side by side", _table(beside_headings(), list(beside_lines(compared))), BESIDE_NOTE]
    return "\n\n".join(parts) + "\n"


def audit_as_json(audit: Audit, compared: Sequence[Beside] = ()) -> Mapping[str, Any]:
    """The audit in JSON-ready types: its description, its figures, two audits side by side."""
    return {
        "audit": asdict(audit.info),
        "strategy": audit.strategy,
        "clean": asdict(audit.clean_figures),
        "families": [_record(row) for row in audit.figures],
        "compared": [asdict(row) | {"difference": row.difference} for row in compared],
    }


def _record(row: Figures) -> Mapping[str, Any]:
    plain = asdict(row)
    rates = {str(k): asdict(share) | {"rate": share.rate} for k, share in row.lifted.items()}
    return plain | {"lifted": rates, "worst": row.worst}


def audit_page(audit: Audit, compared: Sequence[Beside] = ()) -> str:
    """The audit as a page: one file without scripts that needs no network."""
    k = middle(audit.info.cutoffs)
    return _template().render(
        audit=audit,
        k=k,
        headline=audit_headline(audit),
        facts=audit_facts(audit),
        headings=audit_headings(audit),
        lines=list(audit_lines(audit)),
        note=AUDIT_NOTE,
        bars=[_bar(row, k) for row in audit.figures],
        parts=[_parts(row) for row in audit.figures],
        searches=[trial for trial in audit.trials.values() if trial.rounds],
        compared=list(beside_lines(compared)),
        compared_headings=beside_headings(),
        compared_note=BESIDE_NOTE,
        examples=list(_examples(audit, k)),
        style=(_FOLDER / "style.css").read_text(encoding="utf-8"),
    )


def _bar(row: Figures, k: int) -> Mapping[str, Any]:
    """A family's rate as a bar of 100 units, with the ends of its interval."""
    share = row.lifted[k]
    low, high = share.interval
    return {
        "name": row.family.name,
        "about": row.family.sentence,
        "sources": [(source, _link(source)) for source in row.family.sources],
        "width": round(100 * (share.rate or 0.0), 1),
        "low": round(100 * low, 1),
        "high": round(100 * high, 1),
        "text": shown_share(share),
        "counted": f"{share.hits} of {share.n}",
    }


def _link(source: str) -> str:
    """Where a paper is; "" where its name does not say."""
    if source.startswith("arXiv:"):
        return f"https://arxiv.org/abs/{source.removeprefix('arXiv:')}"
    return source if source.startswith(("https://", "http://")) else ""


def _parts(row: Figures) -> Mapping[str, Any]:
    named = {**row.by_position, **row.by_relevance}
    return {"name": row.family.name, "shares": {name: shown_share(share) for name, share in named.items()}}


def _examples(audit: Audit, k: int) -> Iterator[Mapping[str, Any]]:
    """The attacks of each family that rose highest, those into the top k first."""
    by_family: dict[str, list[Trial]] = {}
    for trial in audit.trials.values():
        by_family.setdefault(trial.family, []).append(trial)
    for row in audit.figures:
        best = sorted(by_family[row.family.name], key=lambda trial: (not trial.rose(k), trial.rank - trial.clean_rank))
        rose = [trial for trial in best if trial.rank < trial.clean_rank][:_EXAMPLES]
        if rose:
            yield {"name": row.family.name, "trials": [_example(audit, trial) for trial in rose]}


def _example(audit: Audit, trial: Trial) -> Mapping[str, Any]:
    clean = audit.clean.get(trial.query_id)
    return {"query": clean.query if clean else trial.query_id, "trial": trial, "payload": _visible(trial.payload)}


def _visible(text: str) -> str:
    """The text with characters that cannot be seen spelled out."""
    return "".join(sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text)


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    marks = ["---", *["--:"] * (len(headings) - 1)]
    return in_bars([headings, marks, *([plain_line(cell) for cell in line] for line in lines)])


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((_FOLDER / "attacks.html.j2").read_text(encoding="utf-8"))
