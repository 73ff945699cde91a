"""Fits what `judge.plan` expects of each strategy, and writes it where the package finds it.

    python eval/bench/fit_plan.py [--data ../shared/data] [--out judge_rerank/routing/plan.json] [--only "listwise" ...]

Each strategy ranks the candidates of TREC DL 2019 as in `strategies.py`, ten to two hundred of them, for the two judges
there that are far from perfect (an error of a grade, anew in each call; GPT-4o's recorded grades), from a good and from
a shuffled first stage. The table has, for each strategy and number, the mean nDCG@10 over all of that and the queries.
Its tolerance is the standard error of the difference between two strategies, paired by query and condition, in the
median over all pairs: what is closer than that was not told apart. It is left as it is where only some are fitted. The
errors do not grow with the group that is graded or put in order; `groups.py` has those that do.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from strategies import CONDITIONS, SIZES, Data, ndcg, noisy

from judge_rerank.strategies import parse
from judge_rerank.testing import drive

# Strategies of a few dozen calls at most; and how many documents may be read for each candidate, where {docs} stands
# for that limit.
CURVES: tuple[tuple[str, float | None], ...] = (
    ("score", None),
    ("score(batch_size=12)", None),
    ("listwise", None),
    ("setwise", None),
    ("partition", None),
    ("blitz", None),
    ("blitz(group_size=20)", None),
    ("tournament", None),
    ("tournament(replicas=2)", None),
    ("joint", None),
    ("joint(replicas=4, refine=False)", None),
    ("self-consistent", None),
    ("self-consistent(strategy='joint(refine=False)', n=2)", None),
    ("self-consistent(strategy='joint(replicas=1, refine=False)', n=4)", None),
    ("adaptive(docs={docs})", 1.3),
    ("adaptive(docs={docs})", 1.8),
    ("adaptive", None),
)


JUDGES = [condition for condition in CONDITIONS if (condition.judge, condition.noise) != ("human", 0.25)]


def qualities(data: Data, spec: str, docs: float | None, n: int) -> list[float]:
    """nDCG@10 by condition and query, always in the same order."""
    strategy = parse(spec.format(docs=round((docs or 0) * n)))
    return [
        ndcg(topic.relevance, drive(strategy, ["document"] * n, noisy(topic, condition.noise)).order)
        for condition in JUDGES
        for topic in data.topics(n, condition)
    ]


def standard_error(one: Sequence[float], other: Sequence[float]) -> float:
    """Of the mean difference of two strategies."""
    return stdev(a - b for a, b in zip(one, other, strict=True)) / math.sqrt(len(one))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds dl19")
    parser.add_argument("--out", type=Path, default=Path("judge_rerank/routing/plan.json"))
    parser.add_argument("--sizes", nargs="*", type=int, default=(10, *SIZES))
    parser.add_argument("--only", nargs="*", help="strategies that are fitted anew, the others staying as they are")
    options = parser.parse_args(arguments)
    data, table = Data(options.data / "dl19"), begun(options.out)
    for n in options.sizes:
        chosen = [curve for curve in table["curves"] if options.only is None or curve["strategy"] in options.only]
        found = [qualities(data, curve["strategy"], curve["docs"], n) for curve in chosen]
        for curve, values in zip(chosen, found, strict=True):
            curve["ndcg"][str(n)] = round(fmean(values), 4)
            print(n, curve["strategy"], curve["ndcg"][str(n)], file=sys.stderr, flush=True)
        if options.only is None:
            table["tolerance"][str(n)] = round(median(standard_error(*pair) for pair in combinations(found, 2)), 4)
        options.out.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def begun(path: Path) -> dict[str, Any]:
    """The table as it is, so that one size or strategy can be fitted after another; nothing for what is not in it."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known = {(curve["strategy"], curve["docs"]): curve["ndcg"] for curve in found.get("curves", [])}
    return {
        "fitted_by": "python eval/bench/fit_plan.py",
        "data": "TREC DL 2019, simulated judges",
        "tolerance": found.get("tolerance", {}),
        "curves": [{"strategy": spec, "docs": docs, "ndcg": known.get((spec, docs), {})} for spec, docs in CURVES],
    }


if __name__ == "__main__":
    main()
