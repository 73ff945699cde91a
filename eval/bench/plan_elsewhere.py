"""What the table of `judge.plan` is worth on a collection that it was not fitted to: one set is left out at a time.

    python eval/bench/plan_elsewhere.py [--data ../shared/data] [--sizes 10 20] [--queries 30] [--out FILE]

Each strategy of `fit_plan.py` ranks the first candidates of each query, of a good and of a shuffled first stage, with a
judge that errs by a grade of four (σ = 1), anew in each call; grades of other scales are stretched to 0–3. The
forecast for a set is the mean over the other sets. Beside it stands the forecast of the package, which is fitted to
TREC DL 2019 alone. "Error" is the mean distance between forecast and real nDCG@10 over the strategies, "bias" its mean
with the sign, τ Kendall's, between the orders of the strategies. τ of halves is that between the orders on two
halves of the set's own queries: where it is low, the set has hardly an order to be forecast.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

sys.path.insert(0, str(Path(__file__).parents[2]))

from fit_plan import CURVES
from strategies import Topic, ndcg, noisy

from judge_rerank.evaluation import kendalls_tau, load, selected
from judge_rerank.strategies import parse
from judge_rerank.testing import drive

SETS = ("dl19", "scifact", "wikiqa", "cranfield")
TOP_GRADE, NOISE = 3.0, 1.0

_READ_SO = """
Read so: with the same simulated judge the order of strategies carries over to other collections, the figures do not.
Leaving a set out, the forecast is .01 to .04 off; the package's table, whose mean has GPT-4o's recorded grades in it as
well, is .02 to .08 too low. Where the halves of a set agree little (ten documents, where all strategies come close to
each other), its order says nothing. With a real judge on a collection kept aside, τ was .33: a simulated judge errs
anew in each call, and a real one is wrong about the same documents every time.
"""

Curves = Mapping[str, list[float]]
"""nDCG@10 by strategy, of each query and first stage."""


def topics(folder: Path, n: int, queries: int) -> Iterator[Topic]:
    """Queries with `n` candidates of which one is relevant, of a good and of a shuffled first stage."""
    dataset, _ = selected(load(str(folder)), depth=n, no_relevant="skip")
    top = max(grade for grades in dataset.grades.values() for grade in grades.values())
    whole = [topic for topic in dataset.topics if len(topic.candidates) == n][:queries]
    for topic in whole:
        known = dataset.grades[topic.id]
        relevance = [TOP_GRADE * known.get(document.id or "", 0.0) / top for document in topic.candidates]
        for shuffle in (False, True):
            if shuffle:
                random.Random(topic.id).shuffle(relevance)
            yield Topic(query=f"{topic.id}/{shuffle}", relevance=list(relevance), judged=list(relevance))


def curves(folder: Path, n: int, queries: int) -> Curves:
    """What each strategy reaches on a set; empty where no query has so many candidates."""
    asked = list(topics(folder, n, queries))
    found: dict[str, list[float]] = {}
    for spec, docs in CURVES if asked else ():
        strategy = parse(spec.format(docs=round((docs or 0) * n)))
        name = f"{spec} {docs}"
        found[name] = [
            ndcg(topic.relevance, drive(strategy, ["document"] * n, noisy(topic, NOISE)).order) for topic in asked
        ]
    return found


def means(found: Curves, places: slice = slice(None)) -> dict[str, float]:
    return {name: fmean(values[places]) for name, values in found.items()}


def row(name: str, n: int, forecast: Mapping[str, float], real: Curves) -> str:
    """A line of the table."""
    measured = means(real)
    off = [forecast[each] - measured[each] for each in measured]
    half = kendalls_tau(*(means({k: [*v[s::4], *v[s + 1 :: 4]] for k, v in real.items()}) for s in (0, 2)))
    cells = (n, name, fmean(abs(each) for each in off), fmean(off), kendalls_tau(forecast, measured), half)
    return "| {} | {} | {:.3f} | {:+.3f} | {:.2f} | {:.2f} |".format(*cells)


def packaged(n: int) -> dict[str, float]:
    """The forecast of the package."""
    path = Path(__file__).parents[2] / "judge_rerank" / "routing" / "plan.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    return {f"{curve['strategy']} {curve['docs']}": curve["ndcg"][str(n)] for curve in table["curves"]}


def lines(data: Path, sizes: Sequence[int], queries: int) -> Iterator[str]:
    yield "| documents | set left out | error | bias | τ | τ of halves |"
    yield "|---|---|---|---|---|---|"
    for n in sizes:
        found = {name: each for name in SETS if (each := curves(data / name, n, queries))}
        for name, real in found.items():
            others = [means(each) for other, each in found.items() if other != name]
            yield row(name, n, {each: fmean(other[each] for other in others) for each in real}, real)
        for name, real in found.items():
            if name != "dl19":
                yield row(f"{name}, by the package's table", n, packaged(n), real)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--sizes", nargs="*", type=int, default=(10, 20))
    parser.add_argument("--queries", type=int, default=30, help="of each set")
    parser.add_argument("--out", type=Path, default=Path("eval/results/plan.md"))
    options = parser.parse_args()
    written = ["# What a plan is worth on another collection\n", *(__doc__ or "").splitlines(), ""]
    for line in lines(options.data, options.sizes, options.queries):
        print(line, flush=True)
        written.append(line)
    written += _READ_SO.rstrip().splitlines()
    options.out.write_text("\n".join(written) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
