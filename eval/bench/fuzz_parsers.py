"""Arbitrary replies through every parser: how each was read, how many broke a promise, and how long it took.

python eval/bench/fuzz_parsers.py                    # 100,000 replies
python eval/bench/fuzz_parsers.py --n 5000 --seed 7
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from judge_rerank.core import ChatReply, Choice, Failed, FinishReason, Order, Outcome, Scores
from judge_rerank.prompting import TASKS

CORPUS = Path(__file__).parents[2] / "tests" / "prompting" / "replies"
FINISHES: tuple[FinishReason, ...] = (*["stop"] * 8, "length", "length", "other", "refusal", "filter")
OPTIONS = ("A", "B", "C", "D", "not a question")
PIECES = (
    *"[]{}<>:,.\"'`/-\n\t\\ 0123456789",
    *(
        "[1]",
        "[2] > ",
        "[10]",
        "10",
        "1. ",
        '{"id": 1, ',
        '"score": ',
        '"relevant": ',
        '"ranking": [',
        '"judgments": [',
    ),
    *("yes", "no", "not relevant", "Answer: ", "Score: ", "<think>", "</think>", "```json\n", "I'm sorry", "true"),
    *(
        "NaN",
        "null",
        "1e999",
        "\ud800",
        "\x00",
        "é",
        "１",
        "［3］",
        "Document 3",
        " out of 10",
        "least to most",
        "Label: A",
    ),
)
TOKENS = ("1", "10", "0", " 1", "▁7", "7.", "Yes", "no", " No", "A", "B", "The", "\n", "", "{", "<think>")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000, metavar="N", help="how many replies")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    corpus = {
        name: [path.read_text(encoding="utf-8") for path in sorted(CORPUS.glob(f"{name}/*.txt"))] for name in TASKS
    }
    counts: Counter[tuple[str, str]] = Counter()
    faults, slowest, started = 0, 0.0, time.perf_counter()
    for turn in range(arguments.n):
        name, n = chance.choice(sorted(TASKS)), chance.choice((1, 1, 2, 3, 5, 10, 20))
        reply = ChatReply(
            text=text(chance, corpus[name], name, n), finish_reason=chance.choice(FINISHES), branches=branches(chance)
        )
        begun = time.perf_counter()
        try:
            outcome = TASKS[name].read(reply, n, options=OPTIONS, explain=chance.random() < 0.3)
            kind, sound = describe(outcome), is_sound(outcome, n)
        except Exception:
            kind, sound = "exception", False
            traceback.print_exc()
        slowest = max(slowest, time.perf_counter() - begun)
        counts[name, kind] += 1
        if not sound:
            faults += 1
            print(f"reply {turn}, {name}, n={n}: {kind} from {reply.text[:200]!r}", file=sys.stderr)
    report(counts, faults, seconds=time.perf_counter() - started, slowest=slowest)
    return 1 if faults else 0


def text(chance: random.Random, corpus: list[str], name: str, n: int) -> str:
    """Noise, pieces of replies, damaged replies, or two replies in one."""
    kind = chance.randrange(5)
    if kind == 0:
        return "".join(
            chr(chance.choice((chance.randrange(128), chance.randrange(0x11000)))) for _ in range(chance.randrange(200))
        )
    if kind == 1:
        return "".join(chance.choices(PIECES, k=chance.randrange(60)))
    if kind == 2 or not corpus:
        return damaged(chance, valid(chance, name, n))
    if kind == 3:
        return damaged(chance, chance.choice(corpus))
    one, other = chance.choice(corpus), chance.choice(corpus)
    return one[: chance.randrange(len(one) + 1)] + other[chance.randrange(len(other) + 1) :]


def valid(chance: random.Random, name: str, n: int) -> str:
    """A well-formed reply to a task; to a listwise one where the task is not known here."""
    ids = chance.sample(range(1, n + 1), n)
    letter = chance.choice(OPTIONS)
    if name in {"binary", "score"}:
        field, answers = ("relevant", (True, False)) if name == "binary" else ("score", range(1, 11))
        items = [{"id": i, "reason": "It says so.", field: chance.choice(answers)} for i in ids]
        words = chance.choice(("yes", "No.", "Answer: no") if name == "binary" else ("7", "8/10", "Score: 10"))
        return chance.choice((json.dumps({"judgments": items}), json.dumps(items[0]), words))
    if name in {"classify", "pairwise", "setwise"}:
        key = "label" if name == "classify" else "best"
        return chance.choice((json.dumps({"reason": "It says so.", key: letter}), letter, f"Answer: {letter}"))
    return chance.choice(
        (
            json.dumps({"ranking": ids}),
            json.dumps({"reason": "It says so.", "ranking": ids}, indent=2),
            " > ".join(f"[{i}]" for i in ids),
            "\n".join(f"{place}. [{i}]" for place, i in enumerate(ids, 1)),
        )
    )


def damaged(chance: random.Random, whole: str) -> str:
    """`whole` with up to three parts dropped, doubled, replaced or cut off."""
    for _ in range(chance.randrange(4)):
        start = chance.randrange(len(whole) + 1)
        end = min(len(whole), start + chance.randrange(8))
        piece = whole[start:end]
        whole = chance.choice(
            (
                whole[:start] + whole[end:],
                whole[:end] + piece + whole[end:],
                whole[:start] + chance.choice(PIECES) + whole[end:],
                whole[:start],
            )
        )
    return whole


def branches(chance: random.Random) -> dict[str, dict[str, float]]:
    """Log-probabilities, for one reply in three."""
    if chance.random() < 0.67:
        return {}
    return {
        key: {token: -chance.expovariate(0.5) for token in chance.sample(TOKENS, chance.randrange(1, 8))}
        for key in ("", *chance.sample(TOKENS, chance.randrange(3)))
    }


def describe(outcome: Outcome) -> str:
    if isinstance(outcome, Failed):
        return f"failed: {outcome.reason}"
    kind = {Order: "permutation", Scores: "scores", Choice: "choice"}[type(outcome)]
    return f"{kind}, repaired" if outcome.repairs else f"{kind}, as it stood"


def is_sound(outcome: Outcome, n: int) -> bool:
    """Whether an outcome is what it promises to be."""
    if isinstance(outcome, Failed):
        return outcome.reason in {"refused", "unreadable", "truncated"} and 0 < len(outcome.message) <= 300
    if isinstance(outcome, Order):
        tail = list(outcome.order[outcome.stated :])
        return (
            sorted(outcome.order) == list(range(n)) and tail == sorted(tail) and outcome.stated + outcome.missing == n
        )
    if isinstance(outcome, Scores):
        return len(outcome.values) == n and all(value is None or 0 <= value <= 1 for value in outcome.values)
    return outcome.label in OPTIONS


def report(counts: Counter[tuple[str, str]], faults: int, *, seconds: float, slowest: float) -> None:
    kinds = sorted({kind for _, kind in counts})
    names = sorted({name for name, _ in counts})
    print(" " * 26 + "".join(f"{name:>10}" for name in names) + f"{'all':>10}")
    for kind in kinds:
        row = [counts[name, kind] for name in names]
        print(f"{kind:<26}" + "".join(f"{count:>10,}" for count in (*row, sum(row))))
    total = sum(counts.values())
    print(f"\n{total:,} replies, {sum(c for (_, k), c in counts.items() if k == 'exception')} exceptions, ", end="")
    print(f"{faults} broken promises; {1000 * seconds / max(1, total):.2f} ms each with making them, ", end="")
    print(f"the slowest {1000 * slowest:.0f} ms")


if __name__ == "__main__":
    sys.exit(main())
