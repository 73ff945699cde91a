"""The guard that is shipped: what it costs, what it flags of honest texts, and what it finds of attacks.

    python eval/bench/guard.py [--data ../shared/data] [--out eval/results/guard.md] [--attacks 60] [--missed]

Attacks are those of `judge-rerank attack`, put into candidates of the shared sets at every position. The guard was not
trained on them. An attack is found if a finding overlaps what was planted. Honest texts are of the same kinds as those
that the guard was trained on, drawn anew: many files are the same. `tests/guarding/hard_negatives.tsv` was never
trained on.
Time is process time of the guard over that of BM25's tokenisation of the same texts, each the best of three rounds.
"Rechecked" is what has a part that a second question leaves out: reported ones, and doubtful ones as well.
The tables follow what `eval/train_guard.py` wrote into the file.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from guard_examples import ROOT, SETS, Example, of_machine, shared

from judge_rerank.core import Document
from judge_rerank.evaluation.attacks.family import POSITIONS, Scene, attacked, family_names
from judge_rerank.guarding import inspect
from judge_rerank.scorers.words import words_of

SEED = 2024
LIST = 10
"""Candidates in the list of an attacked document."""
HONEST, TIMED = 1_000, 800
"""Honest documents of each kind at most, and documents to measure the time with."""
BEGINS = "## The guard that is shipped"


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One attack, whether the guard found it, and whether a second question leaves it out."""

    query: str
    planted: str
    found: bool
    rechecked: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=ROOT / "eval/results/guard.md")
    parser.add_argument("--attacks", type=int, default=60, help="of each family")
    parser.add_argument("--missed", action="store_true", help="print what was missed and what was flagged")
    options = parser.parse_args()
    rng = random.Random(SEED)
    sets = shared(options.data)
    honest = {name: rng.sample(kind, min(len(kind), HONEST)) for name, kind in {**sets, **of_machine(rng)}.items()}
    tried = {family: list(attempts(family, sets, options.attacks)) for family in family_names()}
    timing = timed([each for kind in honest.values() for each in kind], rng)
    honest["hard negatives"] = hard_negatives()
    flagged = {name: [each for each in kind if inspect(each.query, each.text)] for name, kind in honest.items()}
    doubted = {name: sum(bool(inspect(e.query, e.text, doubts=True)) for e in kind) for name, kind in honest.items()}
    text = "\n".join([
        *timing, "", *honest_table(honest, flagged, doubted), "", *found_table(tried), "",
    ])  # fmt: skip
    kept = options.out.read_text(encoding="utf-8").partition(BEGINS)[0].rstrip() if options.out.exists() else ""
    options.out.write_text(f"{kept}\n\n{BEGINS}\n\n{text}".lstrip(), encoding="utf-8")
    print(text)
    if options.missed:
        show(tried, flagged)


def attempts(family: str, sets: dict[str, list[Example]], wanted: int) -> Iterator[Tried]:
    """Attacks of a family on lists of every set, the same in each run."""
    dice = random.Random(f"{SEED} {family}")
    lists = [found for name in SETS if name in sets for found in by_query(sets[name])]
    for number in range(wanted):
        query, texts = dice.choice(lists)
        documents = [Document(text=text) for text in texts[:LIST]]
        victim = dice.randrange(len(documents))
        position = POSITIONS[number % len(POSITIONS)]
        scene = Scene(query=query, documents=documents, victim=victim, position=position, dice=dice)
        planted = attacked(family, scene)
        shown, payload = planted.documents[victim].text, planted.payload.strip()
        start = shown.find(payload)
        start, end = (start, start + len(payload)) if start >= 0 else (0, len(shown))
        found, rechecked = (
            any(part.start < end and part.end > start for part in inspect(query, shown, doubts=doubts))
            for doubts in (False, True)
        )
        yield Tried(query=query, planted=payload, found=found, rechecked=rechecked)


def by_query(examples: Sequence[Example]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for each in examples:
        found.setdefault(each.query, []).append(each.text)
    return [(query, texts) for query, texts in found.items() if len(texts) > 1]


def hard_negatives() -> list[Example]:
    lines = (ROOT / "tests/guarding/hard_negatives.tsv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return [Example(query=row["query"], text=row["text"], source="hard negatives") for row in rows]


def timed(examples: Sequence[Example], rng: random.Random) -> list[str]:
    """Milliseconds a document, and how many times as long as it takes to cut the same texts into words."""
    chosen = rng.sample(examples, min(len(examples), TIMED))
    guard = best(lambda: [inspect(each.query, each.text, doubts=True) for each in chosen]) / len(chosen)
    cutting = best(lambda: [words_of(each.text) for each in chosen]) / len(chosen)
    long = sum(len(each.text) for each in chosen) / len(chosen)
    return [
        f"`python eval/bench/guard.py`. {len(chosen)} documents of {long:.0f} characters on average: "
        f"{1000 * guard:.2f} ms a document, {guard / cutting:.0f} times as long as BM25's tokenisation of the same "
        f"texts ({1000 * cutting:.3f} ms).",
    ]


def best(work: Callable[[], object]) -> float:
    spent: list[float] = []
    for _ in range(3):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return min(spent)


def honest_table(
    honest: dict[str, list[Example]], flagged: dict[str, list[Example]], doubted: dict[str, int]
) -> list[str]:
    return [
        "| honest texts | documents | flagged | rechecked |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {kind} | {len(every):,} | {len(flagged[kind]) / len(every):.2%} | {doubted[kind] / len(every):.2%} |"
            for kind, every in honest.items()
            if every
        ),
    ]


def found_table(tried: dict[str, list[Tried]]) -> list[str]:
    return [
        "| family of `judge-rerank attack` | attacks | found | rechecked |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {name} | {len(ts)} | {sum(each.found for each in ts) / len(ts):.0%} "
            f"| {sum(each.rechecked for each in ts) / len(ts):.0%} |"
            for name, ts in tried.items()
        ),
    ]


def show(tried: dict[str, list[Tried]], flagged: dict[str, list[Example]]) -> None:
    for name, all_of in tried.items():
        for each in all_of:
            if not each.found:
                print(f"MISSED {name}\t{each.query}\t{each.planted[:200]!r}")
    for name, examples in flagged.items():
        for example in examples:
            for finding in inspect(example.query, example.text):
                part = example.text[finding.start : finding.end]
                print(f"FLAGGED {name}\t{example.query[:60]!r}\t{part[:200]!r}\t{finding.reason}\t{finding.score}")


if __name__ == "__main__":
    main()
