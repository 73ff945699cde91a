"""What two options of prompts change with the embedded judge: first-stage scores shown, positions calibrated.

    python -m eval.bench.prompt_options --data ../shared/data --out eval/results/prompt_options.md

BM25 puts the candidates of each query in order, and the judge orders them by a single letter (`first`): as it is, with
the scores of BM25 in the prompt (InsertRank, arXiv:2506.14086), and with its answer about empty documents divided out
(arXiv:2102.09690). Differences are to `first` as it is, paired by query; ± is a 95 % interval of their mean. With
`--cache` a run that was interrupted goes on where it was. `--shuffle` gives the judge the candidates in random order
instead, each with its own score if the set has some.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from eval.bench.embedded import chosen, judged, ndcg
from eval.bench.instruction import paired
from judge_rerank import Document, Judge, Query

OPTIONS = {"": "as it is", "first_stage_scores=True": "first-stage scores", "content_free=True": "content-free"}

TITLE = """# Options of prompts

`python -m eval.bench.prompt_options --out eval/results/prompt_options.md`: a model that runs in this process orders the
candidates of each query by a single letter, in BM25's order or in a random one. Differences are to the same strategy
without the option, paired by query; ± is a 95 % interval of their mean."""

HEAD = (
    "| set | model | order given | option | queries | documents | nDCG@10 given | after | difference | calls a query "
    "| input tokens a query |\n|---|---|---|---|---|---|---|---|---|---|---|"
)

Pairs = Sequence[tuple[Query, list[Document]]]
Qrels = dict[str, dict[str, int]]


class Measured(NamedTuple):
    """nDCG@10 of each query, and what all of them took."""

    ndcgs: list[float]
    calls: int
    tokens: int


def main() -> None:
    options = arguments()
    folder = Path(options.data) / options.set
    qrels: Qrels = judged(folder)
    pairs = [each for each in chosen(folder, qrels, 10_000, options.depth, options.seed) if len(each[1]) > 3]
    pairs = pairs[: options.queries]
    start = "" if options.shuffle else "bm25 >> "
    with Judge(options.model, cache_dir=options.cache) as judge:
        given = measured(judge, pairs, qrels, "none" if options.shuffle else "bm25")
        plain: Measured | None = None
        for option, name in OPTIONS.items():
            if option == "first_stage_scores=True" and options.shuffle and pairs[0][1][0].score is None:
                continue
            spec = f"{start}first(window_size={options.depth}, stride={options.depth}{option and ', '}{option})"
            found = measured(judge, pairs, qrels, spec)
            plain = plain or found
            keep(options, row(options, name, pairs, given, found, plain))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--set", default="wikiqa")
    parser.add_argument("--model", default="local/qwen2.5-coder-1.5b")
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--depth", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shuffle", action="store_true")
    parser.add_argument("--out", type=Path, help="a Markdown file that the rows are kept in")
    parser.add_argument("--cache", type=Path, help="a folder that replies are kept in")
    return parser.parse_args()


def measured(judge: Judge, pairs: Pairs, qrels: Qrels, strategy: str) -> Measured:
    """The rankings of all queries by a strategy, as figures."""
    found = Measured([], 0, 0)
    for query, docs in pairs:
        ranking = judge.rerank(query, docs, strategy)
        usage = ranking.usage
        found.ndcgs.append(ndcg(qrels, query, [r.document.id for r in ranking]))
        found = found._replace(
            calls=found.calls + usage.calls + usage.cached_calls,
            tokens=found.tokens + usage.input_tokens + usage.saved_input_tokens,
        )
        print(f"{strategy}: {len(found.ndcgs)}/{len(pairs)}", end="\r", file=sys.stderr)
    return found


def row(options: argparse.Namespace, name: str, pairs: Pairs, given: Measured, found: Measured, plain: Measured) -> str:
    """A line of the table."""
    n = len(pairs)
    return (
        f"| {options.set} | {options.model} | {'random' if options.shuffle else 'BM25'} | {name} | {n} "
        f"| {sum(len(docs) for _, docs in pairs) / n:.1f} | {statistics.mean(given.ndcgs):.3f} "
        f"| {statistics.mean(found.ndcgs):.3f} | {paired(found.ndcgs, plain.ndcgs)} | {found.calls / n:.1f} "
        f"| {found.tokens / n:.0f} |"
    )


def keep(options: argparse.Namespace, measured_row: str) -> None:
    """Print a row, and put it into the file in place of an earlier one of the same thing."""
    print(measured_row, flush=True)
    if options.out is None:
        return
    out: Path = options.out
    lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    rows = [line for line in lines if line.startswith("| ")][1:]
    rows = [line for line in rows if line.split("|")[1:5] != measured_row.split("|")[1:5]]
    out.write_text("\n".join([TITLE, "", HEAD, *rows, measured_row, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
