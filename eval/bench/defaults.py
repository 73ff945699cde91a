"""What is used where nobody names it: never below the best of what it is made of, on text unlike any here?

    python eval/bench/defaults.py [--data ../shared/data] [--signals FILE] [--out eval/results/defaults.md]

First `hybrid` without weights, which sums a bi-encoder and BM25. How much BM25 may say cannot be seen from judgments,
since there are none. What can be seen is how far the two agree on a query's documents: BM25's weight is k times their
correlation, relative to the bi-encoder's. For each set, k is fitted to the other three, where a loss counts three
times as much as a gain, since a default is asked not to lose; "package" is with the weights that `hybrid` has. Beside
it are the fixed sums of .7 and .3, and of .6 and .4, which `hybrid` had. "As in a forum" is the same queries within the
chatter of a question to other people, drawn by a seed from a few phrases: text that no set here has, and that misleads
whoever counts words. Differences are to the best single signal, paired by query; ± is a 95 % interval of their mean.

Candidates are the first twenty, shuffled; queries without a relevant one are left out. `--signals` keeps the values of
the signals in a file, from which the table can be made again.

The second table is the same with a cross-encoder, MiniLM's recorded scores on TREC DL 2019, which is then trusted most.

Then what the embedded judge adds in `cascade`, and what it takes. Gains and tokens are those of
`strategies_compared.md`, as `judge-rerank report` prints them. The seconds follow from the tokens: that page has 61 s a
query on Cranfield and 88 on SciFact, on one core, which are 46 tokens a second on both. The bi-encoder takes less than
a second.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev

from judge_rerank import Document, Judge, Query, Ranking
from judge_rerank.core import sigmoid
from judge_rerank.evaluation import Topic, load, selected
from judge_rerank.strategies import Signal, summed
from judge_rerank.strategies.algorithms.score_fusion import agreement, by_agreement, log_odds
from judge_rerank.strategies.hybrid import USUAL_WEIGHTS

SETS = ("wikiqa", "dl19", "scifact", "cranfield")
SIGNALS = ("embedding", "bm25")
DEPTH = 20
GRID = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
LOSS_COUNTS = 3
TOKENS_PER_S = 46
RECORDED = "scores.minilm-cross-encoder.trec"
COMPARED = Path("eval/results/strategies_compared.md")

BEFORE = (
    "Hi everyone, I have been looking around for a while and could not find a good answer to this.",
    "Sorry if this has been asked before, I am new here and not sure that this is the right place.",
    "My brother and I had a long argument about this last weekend, so I hope that somebody knows.",
    "First of all thanks to all the people who make this such a helpful place.",
)
AFTER = (
    "I tried a few things and nothing I read makes sense to me, so any help would be great.",
    "Please explain it in simple words, and tell me if I should add more details.",
    "Thanks in advance, and have a nice day!",
    "I am using what I have at home and would like to get this done before the end of the week.",
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One query: its candidates, the values of each signal, the grades, and what the best ten of the set reach."""

    collection: str
    forum: bool
    query: str
    documents: list[str]
    values: dict[str, list[float]]
    grades: list[float]
    ideal: float

    def ndcg(self, scores: Signal) -> float:
        """nDCG@10 of the order by these scores; ties as the candidates stand."""
        order = sorted(scores, key=lambda index: -scores[index])[:10]
        return sum(self.grades[index] / math.log2(place + 2) for place, index in enumerate(order)) / self.ideal

    def signal(self, name: str) -> dict[int, float]:
        """By index."""
        return dict(enumerate(self.values[name]))

    def fixed(self, share: float) -> float:
        """With BM25 at a fixed share."""
        return self._summed({"embedding": 1 - share, "bm25": share})

    def weighed(self, k: float) -> float:
        """With BM25 at k times the agreement."""
        signals = {name: self.signal(name) for name in SIGNALS}
        return self._summed(by_agreement(signals, {"embedding": 1.0, "bm25": k}))

    def _summed(self, weights: dict[str, float]) -> float:
        return self.ndcg(summed({name: self.signal(name) for name in SIGNALS}, weights, "zscore"))


def chatty(query: str, name: str) -> str:
    """A query as in a forum."""
    dice = random.Random(name)
    return " ".join([*dice.sample(BEFORE, 2), query, *dice.sample(AFTER, 2)])


def cases(folder: Path, queries: int) -> Iterator[Case]:
    """The signals of a set's queries, as they are and as in a forum."""
    whole = load(folder, name=folder.name)
    data, _ = selected(whole, queries=queries, depth=DEPTH, seed=1, no_relevant="skip")
    with Judge() as judge:
        for forum in (False, True):
            pairs = [_asked(topic, forum=forum) for topic in data.topics]
            rankings = {name: judge.rerank_many(pairs, name) for name in SIGNALS}
            for place, (query, documents) in enumerate(pairs):
                known = whole.grades[query.id or ""]
                ideal = sorted(known.values(), reverse=True)[:10]
                yield Case(
                    collection=folder.name,
                    forum=forum,
                    query=query.id or "",
                    documents=[document.id or "" for document in documents],
                    values={name: _values(ranked[place]) for name, ranked in rankings.items()},
                    grades=[known.get(document.id or "", 0.0) for document in documents],
                    ideal=sum(grade / math.log2(rank + 2) for rank, grade in enumerate(ideal)),
                )


def _asked(topic: Topic, *, forum: bool) -> tuple[Query, list[Document]]:
    text = chatty(topic.query.text, topic.id) if forum else topic.query.text
    return Query(text=text, id=topic.id), [topic.candidates[place] for place in topic.shown(1)]


def _values(ranking: Ranking) -> list[float]:
    """The scores, in the order in which the documents were given."""
    return [each.relevance_score or 0.0 for each in sorted(ranking, key=lambda each: each.index)]


def fitted(training: Sequence[Sequence[Case]]) -> float:
    """The k whose mean gain over these sets is the greatest, if losses count as often as they are said to."""

    def worth(k: float) -> float:
        gains = [fmean(case.weighed(k) - case.weighed(0.0) for case in cases) for cases in training]
        return fmean(gain if gain > 0 else LOSS_COUNTS * gain for gain in gains)

    return max(GRID, key=worth)


def difference(one: Sequence[float], other: Sequence[float]) -> str:
    """The mean difference by query, with its interval."""
    gains = [a - b for a, b in zip(one, other, strict=True)]
    return f"{fmean(gains):+.3f} ± {1.96 * stdev(gains) / math.sqrt(len(gains)):.3f}"


def hybrids(found: Sequence[Case]) -> Iterator[str]:
    """The table of sums."""
    weight = {name: weight for weight, names in USUAL_WEIGHTS.items() for name in names}
    package = weight["bm25"] / weight["embedding"]
    plain = {name: [case for case in found if case.collection == name and not case.forum] for name in SETS}
    yield (
        "| set | queries | agreement | bi-encoder | BM25 | .7 and .3 | .6 and .4 | k of the other sets | by agreement "
        f"| package, k = {package:.2g} |"
    )
    yield "|---" * 10 + "|"
    for forum in (False, True):
        for name in SETS:
            here = [case for case in found if case.collection == name and case.forum == forum]
            alone = {signal: [case.ndcg(case.signal(signal)) for case in here] for signal in SIGNALS}
            best = max(alone.values(), key=fmean)
            k = fitted([cases for other, cases in plain.items() if other != name])
            agreed = fmean(agreement(case.signal("embedding"), case.signal("bm25")) for case in here)
            cells = [
                f"{name}{', as in a forum' if forum else ''}",
                f"{len(here)}",
                f"{agreed:.2f}",
                *(f"{fmean(alone[signal]):.3f}" for signal in SIGNALS),
                *(difference([case.fixed(share) for case in here], best) for share in (0.3, 0.4)),
                f"{k:g}",
                *(difference([case.weighed(each) for case in here], best) for each in (k, package)),
            ]
            yield f"| {' | '.join(cells)} |"


def with_cross_encoder(found: Sequence[Case], data: Path) -> Iterator[str]:
    """The same sum with the recorded scores of a cross-encoder, which is then trusted most."""
    scores: dict[str, dict[str, float]] = {}
    for line in (data / "dl19" / RECORDED).read_text(encoding="utf-8").splitlines():
        query, _, document, _, score, *_ = line.split()
        scores.setdefault(query, {})[document] = sigmoid(float(score))
    here = [case for case in found if case.collection == "dl19" and not case.forum]
    signals = [
        {name: case.signal(name) for name in SIGNALS}
        | {"cross-encoder": {place: scores[case.query][document] for place, document in enumerate(case.documents)}}
        for case in here
    ]
    usual = {name: weight for weight, names in USUAL_WEIGHTS.items() for name in names}
    alone = [case.ndcg(each["cross-encoder"]) for case, each in zip(here, signals, strict=True)]
    fixed = {"cross-encoder": 0.5, "embedding": 0.3, "bm25": 0.2}
    before = [case.ndcg(summed(each, fixed, "zscore")) for case, each in zip(here, signals, strict=True)]
    apart = [each | {"cross-encoder": log_odds(each["cross-encoder"])} for each in signals]
    now = [case.ndcg(summed(each, by_agreement(each, usual), "zscore")) for case, each in zip(here, apart, strict=True)]
    yield "| set | queries | cross-encoder alone | fixed, .5 and .3 and .2 | package |"
    yield "|---" * 5 + "|"
    yield f"| dl19 | {len(here)} | {fmean(alone):.3f} | {difference(before, alone)} | {difference(now, alone)} |"


def cascades() -> Iterator[str]:
    """What the judge adds to the bi-encoder, and for how many seconds."""
    yield "| set | queries | gain of the cascade | 95 % | tokens | s/query | gain for ten seconds | worth it |"
    yield "|---" * 8 + "|"
    for name in SETS:
        row = _compared(name)
        low, high = (float(part) for part in row["95 % interval"].replace("−", "-").split(" to "))
        gain, tokens = float(row["Δ embedding"].replace("−", "-")), float(row["Tokens in"].replace(",", ""))
        taken = tokens / TOKENS_PER_S
        worth = "yes" if low > 0 else "no: the gain may be chance"
        yield (
            f"| {name} | {row['Results']} | {gain:+.3f} | {low:+.3f} to {high:+.3f} | {tokens:,.0f} | {taken:.0f} "
            f"| {10 * gain / taken:+.4f} | {worth} |"
        )


def _compared(collection: str) -> dict[str, str]:
    """The row of the cascade in the report of `strategies_compared.yaml`."""
    section = COMPARED.read_text(encoding="utf-8").partition(f"\n## {collection}\n")[2]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if "|" in line]
    return next(dict(zip(lines[0][1:], row[1:], strict=True)) for row in lines if row[1:2] == ["cascade"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("eval/results/defaults.md"))
    parser.add_argument("--signals", type=Path, help="a file that the signals are kept in")
    parser.add_argument("--queries", type=int, default=120, help="of each set, at most")
    parser.add_argument(
        "--timed", type=int, default=3, help="documents of each set that the embedded judge is timed on"
    )
    options = parser.parse_args(arguments)
    if options.signals is not None and options.signals.exists():
        found = [Case(**each) for each in json.loads(options.signals.read_text(encoding="utf-8"))]
    else:
        found = [case for name in SETS for case in cases(options.data / name, options.queries)]
        if options.signals is not None:
            options.signals.write_text(json.dumps([asdict(case) for case in found]), encoding="utf-8")
    lines = ["# Defaults that nobody names\n", *(__doc__ or "").splitlines(), ""]
    for line in (*hybrids(found), "", *with_cross_encoder(found, options.data), "", *cascades()):
        lines.append(line)
        print(line, flush=True)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
