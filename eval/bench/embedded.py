"""How well embedded models judge: nDCG@10 of the shuffled first stage and after each strategy, and seconds a query.

    python eval/bench/embedded.py --data ../shared/data --sets wikiqa dl19 --models local/qwen2.5-coder-1.5b

`--data` holds one folder a collection in BEIR's format with a first-stage run (`corpus.jsonl`, `queries.jsonl`,
`qrels.tsv`, `candidates.trec`). Candidates are shuffled by a seed, so that a judge that answers nothing scores as
badly as it should. Differences are paired by query; ± is a 95 % interval of their mean.
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


def main() -> None:
    options = arguments()
    print("| set | model | strategy | nDCG@10 before | after | difference | s/query | calls | repaired or failed |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in options.sets:
        folder = Path(options.data) / name
        qrels = {
            query: {doc: int(g) for doc, g in grades.items()}
            for query, grades in read_grades(folder / "qrels.tsv", "score").items()
        }
        pairs = chosen(folder, qrels, options.queries, options.depth, options.seed)
        before = [ndcg(qrels, query, [d.id for d in docs]) for query, docs in pairs]
        for model in options.models:
            with Judge(model, cache_dir=None) as judge:
                judge.rerank("warm up", ["one", "two"], "binary")
                for strategy in options.strategies:
                    print(row(name, model, strategy, judge, pairs, qrels, before), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--sets", nargs="+", default=["wikiqa", "dl19"])
    parser.add_argument("--models", nargs="+", default=["local/qwen2.5-coder-1.5b"])
    parser.add_argument("--strategies", nargs="+", default=["binary", "score", "listwise"])
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
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
    calls = trouble = 0
    started = time.perf_counter()
    for query, docs in pairs:
        ranking = judge.rerank(query, docs, strategy)
        after.append(ndcg(qrels, query, [r.document.id for r in ranking]))
        calls += ranking.usage.calls
        trouble += ranking.integrity.repaired + sum(ranking.integrity.failed.values())
        print(f"{name} {strategy}: {len(after)}/{len(pairs)} {statistics.mean(after):.3f}", end="\r", file=sys.stderr)
    seconds = (time.perf_counter() - started) / len(pairs)
    gains = [a - b for a, b in zip(after, before, strict=True)]
    interval = 1.96 * statistics.stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else float("nan")
    return (
        f"| {name} | {model} | {strategy} | {statistics.mean(before):.3f} | {statistics.mean(after):.3f} "
        f"| {statistics.mean(gains):+.3f} ± {interval:.3f} | {seconds:.1f} | {calls / len(pairs):.1f} "
        f"| {trouble / max(calls, 1):.1%} |"
    )


if __name__ == "__main__":
    main()
