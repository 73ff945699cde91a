"""Does the judge know that nothing answers? Each query with its candidates, and without the relevant ones.

    python eval/bench/answerable.py --data ../shared/data --cache ~/.cache/answerable [--out eval/results/answerable.md]

The embedded judge says of each candidate how probable it is that it is relevant (`binary`). A list is answered where
it has a relevant candidate; its twin is the same list without them. The table says how well `ranking.answerable` tells
the two apart, as it is and after a calibration on other queries, and what else could be made of the
scores. The recorded grades of GPT-4o and Llama-3.1-8B on TREC DL 2019 are further judges. Replies are kept in
`--cache`, so that a twin costs nothing and an interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean

from judge_rerank import Judge
from judge_rerank.evaluation import load, selected
from judge_rerank.evaluation.answering import Figure, false_accepts, with_interval
from judge_rerank.learning import Sample, auroc, expected_error
from judge_rerank.learning.answering import Seen, fitted_weights, probability

MODEL = "local/qwen2.5-coder-1.5b"
SETS = {"wikiqa": (40, 8), "scifact": (40, 5)}
"""Queries drawn, and candidates of each, from the top."""
FOLDS = 5
CUT = 128
"""Tokens that the judge reads of a document."""

SIGNALS: dict[str, Callable[[Sequence[float]], float]] = {
    "highest (`answerable` without a calibration)": max,
    "mean of the best three": lambda scores: fmean(sorted(scores)[-3:]),
    "mean of all": fmean,
    "noisy-or": lambda scores: 1 - math.prod(1 - score for score in scores),
    "highest less mean": lambda scores: max(scores) - fmean(scores),
    "highest less second": lambda scores: max(scores) - (sorted(scores)[-2] if len(scores) > 1 else 0.0),
}
FITTED = "highest and mean, fitted (`answerable` with a calibration)"

HEAD = """# Does the judge know that nothing answers?

Made by `python eval/bench/answerable.py`. Each query has its list of candidates and a twin, the list without its
relevant documents. AUROC is the probability that a list with a relevant document has the higher `answerable` (.5 is
chance); false accepts are the lists without one that are accepted where 90 % of the others are; ECE is the expected
calibration error over ten bins. In brackets: 95 % intervals by a bootstrap over queries. "Calibrated" and "fitted" are
always on other queries (five folds). Few lists have a high ECE by chance: "at best" is what the same values would have
if each were exactly as probable as it says. The best AUROC published for judges of today is .78, with 51 to 80 % false
accepts.
"""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One query: the scores of its list and whether each document is relevant."""

    scores: Sequence[float]
    relevant: Sequence[bool]

    @property
    def seen(self) -> list[Seen]:
        """The list, and its twin where something is left of it."""
        left = [score for score, relevant in zip(self.scores, self.relevant, strict=True) if not relevant]
        answered = len(left) < len(self.scores)
        return [(self.scores, answered), *([(left, False)] if answered and left else [])]


def main() -> None:
    options = arguments()
    judged = {
        f"{name}, embedded judge": list(embedded(options, name, queries, depth))
        for name, (queries, depth) in SETS.items()
    }
    recorded_by = {
        f"dl19, {model}": list(recorded(options.data / "dl19", column))
        for model, column in (("GPT-4o", "gpt4o"), ("Llama-3.1-8B", "llama31_8b"))
    }
    text = HEAD + "\n" + "\n".join(table(judged)) + "\n\n" + "\n".join(transfer(judged)) + "\n\n"
    text += "\n".join(signals(judged | recorded_by)) + "\n"
    print(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, required=True, help="the folder that replies are kept in")
    parser.add_argument("--limit", nargs="*", default=[], metavar="SET=N", help="only the first N queries of a set")
    parser.add_argument("--out", type=Path, help="the Markdown file that the tables are written to")
    return parser.parse_args()


def embedded(options: argparse.Namespace, name: str, queries: int, depth: int) -> Iterator[Asked]:
    """What the embedded judge says of each candidate."""
    limits = dict(given.split("=") for given in options.limit)
    dataset, _ = selected(load(str(options.data / name)), queries=queries, depth=depth, no_relevant="skip")
    with Judge(MODEL, cache_dir=options.cache, max_tokens_per_doc=CUT) as judge:
        for topic in dataset.topics[: int(limits.get(name, queries))]:
            shown = [topic.candidates[place] for place in topic.shown("0/0")]
            ranking = judge.rerank(topic.query, shown, "binary")
            grades = dataset.grades.get(topic.id, {})
            scored = [(r.relevance_score, grades.get(r.document.id or "", 0.0) >= 1) for r in ranking]
            known = [(score, relevant) for score, relevant in scored if score is not None]
            yield Asked(scores=[score for score, _ in known], relevant=[relevant for _, relevant in known])


def recorded(folder: Path, judge: str, depth: int = 20, least: int = 2) -> Iterator[Asked]:
    """Grades that a model gave to the best candidates, from 0 to 3; people's grades from `least` on are relevant."""
    with (folder / "judgments.tsv").open(encoding="utf-8") as lines:
        grades = {(row["query-id"], row["corpus-id"]): row for row in csv.DictReader(lines, delimiter="\t")}
    candidates: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for line in (folder / "candidates.trec").read_text("utf-8").splitlines():
        query, _, document, rank, *_ = line.split()
        candidates[query].append((int(rank), document))
    for query, documents in candidates.items():
        rows = [grades[query, document] for _, document in sorted(documents)[:depth] if (query, document) in grades]
        held = [row for row in rows if row[judge] not in ("", "-1")]
        if held:
            yield Asked(
                scores=[float(row[judge]) / 3 for row in held], relevant=[int(row["human"]) >= least for row in held]
            )


def table(judged: dict[str, list[Asked]]) -> Iterator[str]:
    """How good `answerable` is, as it is and fitted on other queries."""
    yield "## `answerable` of the embedded judge\n"
    yield "| set | queries | twins | | AUROC | false accepts at 90 % recall | ECE | at best |"
    yield "|---|--:|--:|---|--:|--:|--:|--:|"
    for name, asked in judged.items():
        twins = sum(len(each.seen) > 1 for each in asked)
        for what, groups in (("as it is", plain(asked, max)), ("calibrated", crossed(asked))):
            yield f"| {name} | {len(asked)} | {twins} | {what} | {' | '.join(row(groups))} |"


def transfer(judged: dict[str, list[Asked]]) -> Iterator[str]:
    """The same with the calibration of another set."""
    yield "With the calibration of the other set:\n"
    yield "| set | calibrated on | AUROC | false accepts at 90 % recall | ECE | at best |"
    yield "|---|---|--:|--:|--:|--:|"
    for name, asked in judged.items():
        for other, fitted_on in judged.items():
            if other != name:
                yield f"| {name} | {other} | {' | '.join(row(applied(asked, fitted_on)))} |"


def signals(judged: dict[str, list[Asked]]) -> Iterator[str]:
    """What else could be made of the scores."""
    yield "## What could be made of the scores\n"
    yield (
        "AUROC. A twin is shorter than its list, which by itself favours noisy-or. The grades of dl19 are those that "
        "the models gave to the best 20 of BM25 (0 to 3, divided by 3); relevant is what people graded 2 or 3.\n"
    )
    yield f"| | {' | '.join(judged)} |"
    yield f"|---|{'--:|' * len(judged)}"
    for name, signal in SIGNALS.items():
        yield f"| {name} | {' | '.join(area(plain(asked, signal)) for asked in judged.values())} |"
    yield f"| {FITTED} | {' | '.join(area(crossed(asked)) for asked in judged.values())} |"


def plain(asked: Sequence[Asked], signal: Callable[[Sequence[float]], float]) -> list[list[Sample]]:
    """By query, what a signal says."""
    return [[(signal(scores), label) for scores, label in each.seen] for each in asked]


def applied(asked: Sequence[Asked], fitted_on: Sequence[Asked]) -> list[list[Sample]]:
    """By query, the probability by a fit on other queries."""
    weights = fitted_weights([seen for each in fitted_on for seen in each.seen])
    return [[(probability(weights, scores), label) for scores, label in each.seen] for each in asked]


def crossed(asked: Sequence[Asked]) -> list[list[Sample]]:
    """By query, the probability by a fit on the queries of the other folds."""
    folds = [
        applied(asked[fold::FOLDS], [each for place, each in enumerate(asked) if place % FOLDS != fold])
        for fold in range(FOLDS)
    ]
    return [samples for groups in folds for samples in groups]


def row(groups: Sequence[Sequence[Sample]]) -> list[str]:
    """AUROC, false accepts and calibration error."""
    figures = [written(with_interval([groups], of)) for of in (auroc, false_accepts, error)]
    return [*figures, f"{at_best([sample for samples in groups for sample in samples]):.3f}"]


def at_best(samples: Sequence[Sample], draws: int = 500) -> float:
    """The mean calibration error of these values where each is so with exactly that probability."""
    rng = Random(0)
    return fmean(expected_error([(value, rng.random() < value) for value, _ in samples]) for _ in range(draws))


def error(samples: Sequence[Sample]) -> float | None:
    return expected_error(samples) if samples else None


def area(groups: Sequence[Sequence[Sample]]) -> str:
    found = with_interval([groups], auroc)
    return "–" if found is None else f"{found.value:.3f}"


def written(figure: Figure | None) -> str:
    return "–" if figure is None else f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


if __name__ == "__main__":
    main()
