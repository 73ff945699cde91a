"""Very many documents for one query: memory above them and time a document, beside the bare libraries.

    python eval/bench/many_documents.py [--sizes 1000 10000 100000] [--out eval/results/many_documents.md]

Each cell is a process of its own. Memory is the greatest resident set during the ranking, above that before it, which
holds the documents and the loaded model. The small model for vectors is made here: of 8 dimensions, so that what is
around it is seen. `--minilm N` puts all-MiniLM-L6-v2 beside sentence-transformers on N documents.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from judge_rerank import Judge
from judge_rerank.scorers import Embedding
from tests.scorers import tiny

OUT = Path(__file__).parents[1] / "results" / "many_documents.md"
WORDS_A_TEXT = 60
Figures = tuple[float, float]
"""Megabytes and seconds."""


def texts(n: int) -> Iterator[str]:
    """Texts of words as frequent as those of a language."""
    rng = random.Random(0)
    words = list(tiny.WORDS)
    words += ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 9))) for _ in range(20_000)]
    weights = list(accumulate(1 / (place + 1) for place in range(len(words))))
    for number in range(n):
        yield f"{' '.join(rng.choices(words, cum_weights=weights, k=WORDS_A_TEXT))} {number}"


QUERY = "how long is the life of a flea or a dog"


def megabytes(key: str) -> float:
    """A line of the kernel's account of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def watched(work: Callable[[], object]) -> Figures:
    """The greatest memory above that before, and the time, of a piece of work."""
    before = megabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the greatest is counted from now on
    started = time.perf_counter()
    kept = work()
    taken_s = time.perf_counter() - started
    del kept
    return megabytes("VmHWM") - before, taken_s


def ranked(spec: str, n: int) -> Figures:
    """A ranking of a list."""
    judge, documents = Judge(), list(texts(n))
    judge.rerank(QUERY, documents[:20], spec)
    return watched(lambda: judge.rerank(QUERY, documents, spec))


def ranked_from_generator(spec: str, n: int) -> Figures:
    """A ranking of what a generator makes; the memory is with the documents."""
    judge = Judge()
    judge.rerank(QUERY, list(texts(20)), spec)
    return watched(lambda: judge.rerank(QUERY, texts(n), spec))


def written(spec: str, n: int) -> Figures:
    """A ranking, its trace, and its JSON."""
    documents = list(texts(n))
    with tempfile.TemporaryDirectory() as folder, Judge(trace=Path(folder) / "trace.db") as judge:
        judge.rerank(QUERY, documents[:20], spec)
        return watched(lambda: judge.rerank(QUERY, documents, spec).to_json())


def by_command(spec: str, n: int) -> Figures:
    """`judge-rerank rerank` of a JSONL file; the memory is that of the whole process, with Python and the documents."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "documents.jsonl"
        with file.open("w") as lines:
            lines.writelines(json.dumps({"text": text}) + "\n" for text in texts(n))
        command = [sys.executable, "-m", "judge_rerank", "rerank", "-q", QUERY, str(file), "-s", spec, "-f", "jsonl"]
        started = time.perf_counter()
        subprocess.run([*command, "-k", "10"], check=True, capture_output=True)
        taken_s = time.perf_counter() - started
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, taken_s


def bare_bm25(_spec: str, n: int) -> Figures:
    """bm25s by itself: tokens, an index, the scores of one query."""
    import bm25s

    documents = list(texts(n))

    def work() -> object:
        index: Any = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
        index.index(bm25s.tokenize(documents, stopwords=None, show_progress=False), show_progress=False)
        return index.get_scores(QUERY.split())

    return watched(work)


def bare_onnx(spec: str, n: int) -> Figures:
    """tokenizers and onnxruntime by themselves, 32 texts at a time as they come."""
    import numpy as np
    import onnxruntime
    import tokenizers

    folder, documents = Path(spec), list(texts(n))
    runtime: Any = onnxruntime
    session = runtime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    tokenizer: Any = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(64)
    tokenizer.enable_padding()

    def work() -> object:
        found: list[Any] = []
        for start in range(0, n, 32):
            encoded = tokenizer.encode_batch(documents[start : start + 32])
            given = np.array([one.ids for one in encoded], np.int64)
            mask = np.array([one.attention_mask for one in encoded], np.int64)
            found.append(session.run(None, {"input_ids": given, "attention_mask": mask})[0].mean(axis=1))
        return np.concatenate(found)

    return watched(work)


def minilm(_spec: str, n: int) -> Figures:
    """all-MiniLM-L6-v2 through us: seconds a document, twice."""
    judge, documents = Judge(), list(texts(2 * n))
    judge.rerank(QUERY, documents[:20], "embedding")
    return watched(lambda: judge.rerank(QUERY, documents[n:], "embedding"))


def bare_minilm(_spec: str, n: int) -> Figures:
    """all-MiniLM-L6-v2 through sentence-transformers alone."""
    from sentence_transformers import SentenceTransformer

    from judge_rerank.models import find_model

    model: Any = SentenceTransformer(str(find_model("all-minilm-l6-v2")), local_files_only=True)
    documents = list(texts(2 * n))
    model.encode(documents[:20])
    return watched(lambda: model.encode(documents[n:], batch_size=32, normalize_embeddings=True))


def cell(work: Callable[[str, int], Figures], spec: str, n: int) -> Figures:
    """One measurement, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, (spec, n))


def rows(model: str) -> dict[str, tuple[Callable[[str, int], Figures], str]]:
    """What is measured, by name."""
    vectors = Embedding(model).spec
    return {
        "`bm25 % 1000`": (ranked, "bm25 % 1000"),
        "bm25s alone": (bare_bm25, ""),
        "`embedding % 1000`, small model": (ranked, f"{vectors} % 1000"),
        "onnxruntime alone": (bare_onnx, model),
        "`hybrid % 1000` of both": (ranked, f"hybrid(weights={{'bm25': 0.3, {vectors!r}: 0.7}}) % 1000"),
        "`bm25 % 1000 >> embedding % 10`": (ranked, f"bm25 % 1000 >> {vectors} % 10"),
        "`bm25 % 1000`, from a generator": (ranked_from_generator, "bm25 % 1000"),
        "`bm25 % 1000`, with trace and JSON": (written, "bm25 % 1000"),
        "`bm25 % 1000`, by the command line": (by_command, "bm25 % 1000"),
    }


def table(sizes: Sequence[int]) -> str:
    """Megabytes and microseconds a document, by size."""
    head = ["", *(f"{n:,}: MB" for n in sizes), *(f"{n:,}: µs a document" for n in sizes)]
    lines = [head, ["---"] * len(head)]
    with tempfile.TemporaryDirectory() as folder:
        model = str(tiny.onnx(_made(Path(folder) / "small"), None))
        for name, (work, spec) in rows(model).items():
            figures = [cell(work, spec, n) for n in sizes]
            micros = [1e6 * seconds / n for (_, seconds), n in zip(figures, sizes, strict=True)]
            line = [name, *(f"{mb:,.0f}" for mb, _ in figures), *(f"{each:,.0f}" for each in micros)]
            print("  ".join(line), file=sys.stderr)
            lines.append(line)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder / "model.onnx"


def against_minilm(n: int) -> str:
    """A real model through us and by itself, in turns."""
    ours: list[float] = []
    alone: list[float] = []
    for _ in range(2):
        alone.append(cell(bare_minilm, "", n)[1] / n)
        ours.append(cell(minilm, "", n)[1] / n)
    return (
        f"all-MiniLM-L6-v2 on {n:,} documents, the better of two in turns: {1000 * min(ours):.2f} ms a document, "
        f"{1000 * min(alone):.2f} by sentence-transformers alone (× {min(ours) / min(alone):.2f}).\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--minilm", type=int, default=1_024, help="documents for the real model; 0 leaves it out")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    sizes = " ".join(map(str, arguments.sizes))
    pieces = [
        "# Very many documents for one query\n",
        f"Made by `python eval/bench/many_documents.py --sizes {sizes}`: texts of {WORDS_A_TEXT} words, each cell a "
        "process of its own. MB are the greatest resident memory above the documents and the loaded model; from a "
        "generator with the documents, by the command line those of the whole process.\n",
        table(arguments.sizes),
    ]
    if arguments.minilm:
        pieces.append(against_minilm(arguments.minilm))
    arguments.out.write_text("\n".join(pieces), encoding="utf-8")
    print("\n".join(pieces))


if __name__ == "__main__":
    main()
