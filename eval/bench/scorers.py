"""Pairs a second of our cross-encoder and bi-encoder, against sentence-transformers called directly on the same pairs.

    python eval/bench/scorers.py --data ../shared/data

The cross-encoder has the size of ms-marco-MiniLM-L6-v2 (6 layers, 384 wide) and random weights, which cost the same as
trained ones; the bi-encoder is all-MiniLM-L6-v2. "one list" gives sentence-transformers all pairs at once, "a call a
query" is how it is used in a loop; ours goes through the judge, with all queries side by side. Ways take turns, and
the median of `--rounds` ratios is printed, so that other load on the machine weighs on all alike;
processor time is the steadier figure on a busy machine. Above 1, ours is quicker.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from judge_rerank import CrossEncoder, Document, Embedding, Judge, Query
from judge_rerank.models import find_model
from judge_rerank.readers import read_trec
from judge_rerank.scorers import forget, full_text

Pairs = Sequence[tuple[Query, Sequence[Document]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--set", default="wikiqa")
    parser.add_argument("--queries", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    for needed in ("all-minilm-l6-v2", "all-minilm-l6-v2-int8"):
        find_model(needed)  # says how to get it, before anything is measured
    folder = options.data / options.set
    files = (folder / name for name in ("candidates.trec", "corpus.jsonl", "queries.jsonl"))
    pairs = read_trec(*files, limit=options.queries)
    count = sum(len(documents) for _, documents in pairs)
    lines = ["| scorer | way | pairs/s | its time / ours | its processor time / ours |", "|---|---|---|---|---|"]
    for name, ways in (("cross-encoder", cross_encoders(pairs)), ("embedding", bi_encoders(pairs))):
        lines += rows(name, ways, count, options.rounds)
    print("\n".join(lines))
    if options.output:
        head = f"# Throughput of scorers\n\n`python eval/bench/scorers.py`: {count} pairs of {len(pairs)} queries\n\n"
        options.output.write_text(head + "\n".join(lines) + "\n")


def cross_encoders(pairs: Pairs) -> dict[str, Callable[[], object]]:
    import torch
    from sentence_transformers import CrossEncoder as Theirs

    path = built(Path(tempfile.mkdtemp()))
    theirs = Theirs(str(path), activation_fn=torch.nn.Sigmoid())
    flat = [(query.text, full_text(document)) for query, documents in pairs for document in documents]
    judge, ours = Judge(), CrossEncoder(str(path))

    def one_by_one() -> None:
        for query, documents in pairs:
            theirs.predict([(query.text, full_text(d)) for d in documents], show_progress_bar=False)

    return {
        "ours": lambda: judge.rerank_many(pairs, ours),
        "sentence-transformers, one list": lambda: theirs.predict(flat, batch_size=32, show_progress_bar=False),
        "sentence-transformers, a call a query": one_by_one,
    }


def bi_encoders(pairs: Pairs) -> dict[str, Callable[[], object]]:
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(find_model("all-minilm-l6-v2")))
    texts = [full_text(document) for _, documents in pairs for document in documents]
    judge = Judge()

    def ours(model: str) -> object:
        forget()
        return judge.rerank_many(pairs, Embedding(model))

    def one_list() -> None:
        theirs.encode([query.text for query, _ in pairs], show_progress_bar=False)
        theirs.encode(texts, show_progress_bar=False)

    def one_by_one() -> None:
        for query, documents in pairs:
            theirs.encode([query.text], show_progress_bar=False)
            theirs.encode([full_text(document) for document in documents], show_progress_bar=False)

    return {
        "ours": lambda: ours("all-minilm-l6-v2"),
        "sentence-transformers, one list": one_list,
        "sentence-transformers, a call a query": one_by_one,
        "ours, all-minilm-l6-v2-int8 on onnxruntime": lambda: ours("all-minilm-l6-v2-int8"),
    }


def rows(name: str, ways: dict[str, Callable[[], object]], count: int, rounds: int) -> list[str]:
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    used: dict[str, list[float]] = {way: [] for way in ways}
    for run in ways.values():
        run()
    for turn in range(rounds):
        order = list(ways) if turn % 2 else list(ways)[::-1]
        for way in order:
            started, cpu = time.perf_counter(), time.process_time()
            ways[way]()
            seconds[way].append(time.perf_counter() - started)
            used[way].append(time.process_time() - cpu)
    return [
        f"| {name} | {way} | {count / statistics.median(taken):.0f} "
        f"| {ratio(taken, seconds['ours'])} | {ratio(used[way], used['ours'])} |"
        for way, taken in seconds.items()
    ]


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> str:
    return f"{statistics.median(a / b for a, b in zip(theirs, ours, strict=True)):.2f}"


def built(folder: Path) -> Path:
    """A cross-encoder of the usual size with random weights."""
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    AutoTokenizer.from_pretrained(str(find_model("all-minilm-l6-v2"))).save_pretrained(folder)
    config = BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, num_labels=1
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
