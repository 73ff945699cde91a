"""Whether the embedded judge heeds an instruction, and what that costs: mean rank of the documents that meet it.

    python -m eval.bench.instruction --data ../shared/data --set wikiqa --out eval/results/instruction.md

The instruction is one that can be counted: prefer documents that state a number. Queries are those whose first
candidates hold at least two that have a digit and two that have none. Each is ranked without the instruction, with it,
and with its opposite; ranks are compared in pairs, query by query, and ± is a 95 % interval of the mean difference.
With `--cache` a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from eval.bench.embedded import judged, ndcg
from judge_rerank import Document, Judge, Query, Ranking
from judge_rerank.readers import read_trec

INSTRUCTIONS = {
    "none": "",
    "numbers": "Prefer documents that state a number or a date.",
    "no numbers": "Prefer documents that state no number and no date.",
}

TITLE = """# Whether the embedded judge heeds an instruction

`python -m eval.bench.instruction --out eval/results/instruction.md`: candidates in shuffled order, ranked by a model
that runs in this process. The rank is the mean one of the documents that have a digit; a lower rank is nearer to the
top. Differences are to the ranking without an instruction, paired by query; ± is a 95 % interval of their mean."""

HEAD = (
    "| set | model | strategy | instruction | queries | documents | mean rank of those with a number | difference "
    "| nDCG@10 | difference | calls a query | input tokens a query |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
)


class Measured(NamedTuple):
    """What one instruction made of each query."""

    ranks: list[float]
    ndcgs: list[float]
    calls: int
    tokens: int


def main() -> None:
    options = arguments()
    folder = Path(options.data) / options.set
    qrels = judged(folder)
    pairs = chosen(folder, options.queries, options.depth, options.seed)
    lines = [TITLE, "", HEAD]
    with Judge(options.model, cache_dir=options.cache) as judge:
        plain = measured(judge, pairs, qrels, options.strategy, "")
        for name, instruction in INSTRUCTIONS.items():
            found = measured(judge, pairs, qrels, options.strategy, instruction)
            lines.append(row(options, name, pairs, found, plain))
            print(lines[-1], flush=True)
            if options.out is not None:
                options.out.write_text("\n".join([*lines, ""]), encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--set", default="wikiqa")
    parser.add_argument("--model", default="local/qwen2.5-coder-1.5b")
    parser.add_argument("--strategy", default="binary")
    parser.add_argument("--queries", type=int, default=12)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a Markdown file for the table")
    parser.add_argument("--cache", type=Path, help="a folder that replies are kept in")
    return parser.parse_args()


def has_number(document: Document) -> bool:
    """Whether a document meets the instruction."""
    return any(char.isdigit() for char in document.text)


def chosen(folder: Path, queries: int, depth: int, seed: int) -> list[tuple[Query, list[Document]]]:
    """The first queries whose candidates differ enough, each with its first candidates shuffled."""
    pairs = read_trec(folder / "candidates.trec", folder / "corpus.jsonl", folder / "queries.jsonl", depth=depth)
    usable = [(query, list(docs)) for query, docs in pairs if 2 <= sum(map(has_number, docs)) <= len(docs) - 2][
        :queries
    ]
    for query, docs in usable:
        random.Random(f"{seed}:{query.id}").shuffle(docs)
    return usable


def measured(
    judge: Judge,
    pairs: Sequence[tuple[Query, list[Document]]],
    qrels: dict[str, dict[str, int]],
    strategy: str,
    instruction: str,
) -> Measured:
    """The rankings of all queries under one instruction, as figures."""
    found = Measured([], [], 0, 0)
    for query, docs in pairs:
        ranking: Ranking = judge.rerank(query, docs, strategy, instruction=instruction)
        found.ranks.append(statistics.mean(r.rank for r in ranking if has_number(r.document)))
        if any(qrels.get(str(query.id), {}).get(str(d.id), 0) for d in docs):
            found.ndcgs.append(ndcg(qrels, query, [r.document.id for r in ranking]))
        usage = ranking.usage
        found = found._replace(
            calls=found.calls + usage.calls + usage.cached_calls,
            tokens=found.tokens + usage.input_tokens + usage.saved_input_tokens,
        )
        print(f"{instruction or 'none'}: {len(found.ranks)}/{len(pairs)}", end="\r", file=sys.stderr)
    return found


def row(
    options: argparse.Namespace,
    name: str,
    pairs: Sequence[tuple[Query, list[Document]]],
    found: Measured,
    plain: Measured,
) -> str:
    """A line of the table."""
    n = len(pairs)
    ranks, ndcgs = paired(found.ranks, plain.ranks), paired(found.ndcgs, plain.ndcgs)
    documents = sum(len(docs) for _, docs in pairs) / n
    return (
        f"| {options.set} | {options.model} | {options.strategy} | {name} | {n} | {documents:.1f} "
        f"| {statistics.mean(found.ranks):.2f} | {ranks} | {statistics.mean(found.ndcgs):.3f} | {ndcgs} "
        f"| {found.calls / n:.1f} | {found.tokens / n:.0f} |"
    )


def paired(one: Sequence[float], other: Sequence[float]) -> str:
    """The mean difference with its interval; nothing where there is none."""
    gains = [a - b for a, b in zip(one, other, strict=True)]
    if not any(gains):
        return ""
    return f"{statistics.mean(gains):+.3f} ± {1.96 * statistics.stdev(gains) / math.sqrt(len(gains)):.3f}"


if __name__ == "__main__":
    main()
