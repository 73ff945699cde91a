"""What a scorer distilled from recorded judgments is worth on unseen queries, and on other collections.

    python eval/bench/distill.py --data ../shared/data --output eval/results/distill.md

Trained on the grades that GPT-4o gave to the passages of TREC DL 2019 (`judgments.tsv`), among BM25's top 100, by
cross-validation over its 43 queries; measured by nDCG@10 (exponential gain) with the full human qrels. Then trained on
all of them and taken to collections that it has not seen (`--sets`). Candidates come in the first stage's order only
to break ties.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from judge_rerank import Distilled, Document, Embedding, Query
from judge_rerank.core import Candidate
from judge_rerank.learning import distill, examples, sign_flip
from judge_rerank.readers import read_qrels, read_run, read_trec
from judge_rerank.testing import read_grades

Pairs = Sequence[tuple[Query, Sequence[Document]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="*", default=["wikiqa", "scifact", "cranfield"])
    parser.add_argument("--queries", type=int, default=40, help="of each other set")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    lines = [*on_dl19(options.data / "dl19", distilled := Path(tempfile.mkdtemp())), ""]
    lines += [
        "| other collections, queries | first stage | bi-encoder | distilled on dl19 | difference to the bi-encoder |"
    ]
    lines += ["|---|---|---|---|---|"]
    for name in options.sets:
        lines.append(elsewhere(name, options.data / name, options.queries, distilled))
        print(lines[-1], flush=True)
    if options.output:
        options.output.write_text(
            f"# Distilled scorers\n\n`python eval/bench/distill.py --sets {' '.join(options.sets)}`\n\n"
            + "\n".join(lines)
            + "\n"
        )


def on_dl19(folder: Path, keep: Path) -> list[str]:
    pairs = read(folder, None)
    human = read_qrels(folder / "qrels.full.tsv")
    grades = read_grades(folder / "judgments.tsv", "gpt4o")
    started = time.perf_counter()
    seen = examples(pairs, grades, prefilter=Embedding())
    encoded = time.perf_counter() - started
    result = distill(seen)
    recipe = result.save(keep)
    recorded = {q: {e.document_id: e.score for e in listed} for q, listed in read_run(cross_encoder(folder)).items()}
    scored: dict[str, Mapping[str, Mapping[str, float]]] = {
        "BM25": {str(q.id): {} for q, _ in pairs},
        "bi-encoder (all-MiniLM-L6-v2)": {str(one.group[0].id): by_id(one.group[1], one.before) for one in seen},
        "distilled, unseen queries": {
            str(one.group[0].id): by_id(one.group[1], result.held_out[str(one.group[0].id)]) for one in seen
        },
        "GPT-4o's grades": grades,
        "MiniLM cross-encoder, recorded": recorded,
        "human grades": human,
    }
    values = {name: [ndcg(human[str(q.id)], d, s.get(str(q.id), {})) for q, d in pairs] for name, s in scored.items()}
    base, ours, judge = (list(values.values())[place] for place in (1, 2, 3))
    gap = statistics.mean(judge) - statistics.mean(base)
    lines = ["| dl19, 43 queries | nDCG@10 | difference to the bi-encoder |", "|---|---|---|"]
    lines += [
        f"| {name} | {statistics.mean(found):.4f} | {difference(found, base)} |" for name, found in values.items()
    ]
    gains = [a - b for a, b in zip(ours, base, strict=True)]
    lines += [
        "",
        f"Share of the gap between bi-encoder and GPT-4o's grades that is closed: "
        f"{(statistics.mean(ours) - statistics.mean(base)) / gap:.0%} "
        f"(p = {sign_flip(gains, alternative='greater'):.3f}, one-sided sign flips).",
        f"By GPT-4o's own grades: {result.before:.4f} → {result.after:.4f}, p = {result.p_value:.4f}.",
        f"Weights: {', '.join(f'{name} {weight:.2f}' for name, weight in recipe.weights.items())}.",
        f"{encoded:.0f} s for the signals of {sum(len(d) for _, d in pairs)} pairs, "
        f"{time.perf_counter() - started - encoded:.0f} s for the fits.",
    ]
    print("\n".join(lines), flush=True)
    return lines


def elsewhere(name: str, folder: Path, queries: int, distilled: Path) -> str:
    pairs, qrels = read(folder, queries), read_qrels(folder / "qrels.tsv")
    groups = [(q, tuple(Candidate(index=i, document=d) for i, d in enumerate(docs))) for q, docs in pairs]
    values: list[list[float]] = [[ndcg(qrels[str(q.id)], docs, {}) for q, docs in pairs]]
    for scorer in (Embedding(), Distilled(str(distilled))):
        scores = scorer.score(groups)
        values.append(
            [ndcg(qrels[str(q.id)], d, by_id(c, s)) for (q, d), (_, c), s in zip(pairs, groups, scores, strict=True)]
        )
    cells = " | ".join(f"{statistics.mean(found):.4f}" for found in values)
    return f"| {name}, {len(pairs)} | {cells} | {difference(values[2], values[1])} |"


def read(folder: Path, limit: int | None) -> Pairs:
    return read_trec(folder / "candidates.trec", folder / "corpus.jsonl", folder / "queries.jsonl", limit=limit)


def cross_encoder(folder: Path) -> Path:
    return folder / "scores.minilm-cross-encoder.trec"


def by_id(candidates: Sequence[Candidate], scores: Sequence[float]) -> dict[str, float]:
    return {str(c.document.id): score for c, score in zip(candidates, scores, strict=True)}


def ndcg(grades: Mapping[str, float], documents: Sequence[Document], scores: Mapping[str, float]) -> float:
    """nDCG@10 of the documents by score, ties and unscored ones in the order given."""
    order = sorted(documents, key=lambda document: -scores.get(str(document.id), -math.inf))
    found = [2 ** max(0.0, grades.get(str(document.id), 0.0)) - 1 for document in order[:10]]
    best = sorted((2 ** max(0.0, grade) - 1 for grade in grades.values()), reverse=True)[:10]
    ideal = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(best))
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(found)) / ideal if ideal else 0.0


def difference(found: Sequence[float], base: Sequence[float]) -> str:
    gains = [a - b for a, b in zip(found, base, strict=True)]
    return f"{statistics.mean(gains):+.4f} ± {1.96 * statistics.stdev(gains) / math.sqrt(len(gains)):.4f}"


if __name__ == "__main__":
    main()
