"""How well embedded models judge: nDCG@10 of the shuffled first stage and after each strategy, and seconds a query.

    python eval/bench/embedded.py --data ../shared/data --sets wikiqa dl19 --models local/qwen2.5-coder-1.5b
    python eval/bench/embedded.py --sets dl19 --strategies score --out eval/results/embedded.md

`--data` holds one folder a collection in BEIR's format with a first-stage run (`corpus.jsonl`, `queries.jsonl`,
`qrels.tsv`, `candidates.trec`). Candidates are shuffled by a seed, so that a judge that answers nothing scores as
badly as it should. Differences are paired by query; ± is a 95 % interval of their mean. `--out` keeps the table in
a file, row by row: rows of earlier runs stay, unless the same thing is measured again. With `--cache` a run that was
interrupted goes on where it was; seconds are then left out, since they would be those of the cache.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import ir_measures
from ir_measures import nDCG

from judge_rerank import Document, Judge, Query
from judge_rerank.readers import read_trec
from judge_rerank.testing import read_grades

TITLE = """# How well the embedded judge judges

`python eval/bench/embedded.py --out eval/results/embedded.md`: the best 20 candidates of each query, shuffled, put
in order by a model that runs in this process. Differences are paired by query; ± is a 95 % interval of their mean.
Seconds are those of the machine as it was, with whatever else it did."""

HEAD = (
    "| set | model | strategy | queries | nDCG@10 before | after | difference | s/query | calls "
    "| repaired or failed |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    options = arguments()
    print(HEAD)
    for name in options.sets:
        folder = Path(options.data) / name
        qrels = judged(folder)
        pairs = chosen(folder, qrels, options.queries, options.depth, options.seed)
        before = [ndcg(qrels, query, [d.id for d in docs]) for query, docs in pairs]
        for model in options.models:
            with Judge(model, cache_dir=options.cache) as judge:
                judge.rerank("warm up", ["one", "two"], "binary")
                for strategy in options.strategies:
                    measured = row(name, model, strategy, judge, pairs, qrels, before)
                    print(measured, flush=True)
                    if options.out is not None:
                        keep(options.out, measured)


def judged(folder: Path) -> dict[str, dict[str, int]]:
    """The grades of a collection by query and document."""
    found = read_grades(folder / "qrels.tsv", "score")
    return {query: {doc: int(grade) for doc, grade in grades.items()} for query, grades in found.items()}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--sets", nargs="+", default=["wikiqa", "dl19"])
    parser.add_argument("--models", nargs="+", default=["local/qwen2.5-coder-1.5b"])
    parser.add_argument("--strategies", nargs="+", default=["binary", "score", "setwise", "listwise"])
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a Markdown file that the rows are kept in")
    parser.add_argument("--cache", type=Path, help="a folder that replies are kept in")
    return parser.parse_args()


def chosen(
    folder: Path, qrels: dict[str, dict[str, int]], queries: int, depth: int, seed: int
) -> list[tuple[Query, list[Document]]]:
    """The first queries that have a relevant document, each with its best candidates shuffled."""
    pairs = read_trec(folder / "candidates.trec", folder / "corpus.jsonl", folder / "queries.jsonl", depth=depth)
    usable = [
        (query, list(docs))
        for query, docs in pairs
        if len(docs) > 1 and any(qrels.get(str(query.id), {}).get(str(d.id), 0) for d in docs)
    ][:queries]
    for query, docs in usable:
        random.Random(f"{seed}:{query.id}").shuffle(docs)
    return usable


def ndcg(qrels: dict[str, dict[str, int]], query: Query, order: Sequence[str | None]) -> float:
    """nDCG@10 of one query; scores are derived from the rank, because ties would be broken by id."""
    run = {str(query.id): {str(doc): float(len(order) - rank) for rank, doc in enumerate(order)}}
    return ir_measures.calc_aggregate([nDCG @ 10], {str(query.id): qrels[str(query.id)]}, run)[nDCG @ 10]


def row(
    name: str,
    model: str,
    strategy: str,
    judge: Judge,
    pairs: Sequence[tuple[Query, list[Document]]],
    qrels: dict[str, dict[str, int]],
    before: Sequence[float],
) -> str:
    after: list[float] = []
    calls = cached = trouble = 0
    started = time.perf_counter()
    for query, docs in pairs:
        ranking = judge.rerank(query, docs, strategy)
        after.append(ndcg(qrels, query, [r.document.id for r in ranking]))
        calls += ranking.usage.calls + ranking.usage.cached_calls
        cached += ranking.usage.cached_calls
        trouble += ranking.integrity.repaired + sum(ranking.integrity.failed.values())
        print(f"{name} {strategy}: {len(after)}/{len(pairs)} {statistics.mean(after):.3f}", end="\r", file=sys.stderr)
    seconds = "" if cached else f"{(time.perf_counter() - started) / len(pairs):.1f}"
    gains = [a - b for a, b in zip(after, before, strict=True)]
    interval = 1.96 * statistics.stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else float("nan")
    return (
        f"| {name} | {model} | {strategy} | {len(pairs)} | {statistics.mean(before):.3f} "
        f"| {statistics.mean(after):.3f} "
        f"| {statistics.mean(gains):+.3f} ± {interval:.3f} | {seconds} | {calls / len(pairs):.1f} "
        f"| {trouble / max(calls, 1):.1%} |"
    )


def keep(path: Path, measured: str) -> None:
    """Put a row into the file, in place of an earlier one of the same set, model and strategy."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = [line for line in lines if line.startswith("| ")][1:]
    same = measured.split("|")[1:4]
    rows = [line for line in rows if line.split("|")[1:4] != same]
    text = "\n".join([TITLE, "", HEAD, *sorted([*rows, measured]), ""])
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
