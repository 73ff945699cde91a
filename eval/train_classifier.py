"""Trains the query classifier that the package ships, and says how good it is on questions it has not seen.

    python eval/train_classifier.py [--data ../shared/data/query_labels] [--model judge_rerank/routing/classifier.json]
                                    [--out eval/results/classifier.md]

Two logistic regressions over the features of `judge_rerank.routing.features`: is a query complex, and if it is not, is
it semantic rather than factual? For the second, each feature is scaled by its log-count ratio (Wang and Manning 2012,
"Baselines and Bigrams"). Questions of several hops are few, so others are composed of TREC's (`compose_questions.py`).
All figures are by five-fold cross-validation over distinct questions; the model itself is trained on all.

They flatter the classifier somewhat. Features, penalties and weights were chosen among some hundred settings by these
same folds; the slopes of the confidence, and the offset for keywords and claims, are fitted to the held-out answers
that the tables below show; and the composed questions and the examples were written with all training questions at
hand. No set was kept apart.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from compose_questions import Composer, names_of
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from judge_rerank.routing import FORMAT, TrainedClassifier, asks, features, words

ROOT = Path(__file__).parent.parent
LABELS = ("factual", "semantic", "complex")
FOLDS = 5
# These and the weights were chosen by the same cross-validation that the report shows.
REGULARISATION = {"complex": 0.05, "semantic": 0.2}
# TREC has too few descriptions, there are few questions of several hops and few examples; composed ones are cheap.
SEMANTIC_WEIGHT = 2.0
EXAMPLE_WEIGHT = 5.0
COMPLEX_WEIGHTS = {"hops": 15.0, "examples": 15.0, "trec": 1.0, "composed": 0.5}
COMPOSED = 1_200
"""How many questions to compose of each kind."""
COMPLEX_KINDS = frozenset(("w", "s", "k", "p", "o", "n"))
"""What a complex question is known by: its shape and its small words, hardly its subject."""
LEAST_COUNT = 2
TAB = "\t"
LEVELS = 60
"""Weights are whole numbers of at most this size; smaller than a half is left out."""

VARIANTS: dict[str, Callable[[str], str]] = {
    "lower case": str.lower,
    "UPPER CASE": str.upper,
    "no question mark": lambda text: re.sub(r"\s*\?\s*$", "", text),
    "question mark added": lambda text: re.sub(r"[\s?.]*$", "?", text),
    "space before every mark": lambda text: re.sub(r"\s*([?.,;:!])", r" \1", re.sub(r"(\w)('s)\b", r"\1 \2", text)),
    "no space before a mark": lambda text: re.sub(r"\s+([?.,;:!]|'s\b|n't\b)", r"\1", text),
    "no quotation marks": lambda text: re.sub(r"``|''|\"", "", text),
    "typographic apostrophes": lambda text: text.replace("'", "\u2019"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """`label` is None for a question that is only known not to be complex."""

    text: str
    label: str | None
    source: str
    kind: str = ""

    @property
    def is_complex(self) -> bool:
        return self.label == "complex"


def main() -> None:
    options = arguments()
    examples = read(options.data)
    names = vocabulary(examples)
    matrix = counted([example.text for example in examples], names)
    typed = {name: counted([change(e.text) for e in examples], names) for name, change in VARIANTS.items()}
    held_out, retyped = cross_validated(examples, matrix, names, typed)
    slopes = tuple(slope(*answered(examples, held_out, question)) for question in (0, 1))
    everything = np.arange(len(examples))
    fits = [fit(examples, matrix, names, everything, question) for question in (0, 1)]
    no_question = statements(examples, held_out)
    write_model(options.model, names, fits, slopes, no_question)
    spread, *others = (probabilities(examples, odds, slopes, no_question) for odds in (held_out, *retyped.values()))
    retyped = dict(zip(retyped, others, strict=True))
    text = report(examples, spread, held_out[:, 1] > 0, retyped, options.model, options.data.parent)
    options.out.write_text(text, encoding="utf-8")
    print(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/query_labels"))
    parser.add_argument("--model", type=Path, default=ROOT / "judge_rerank/routing/classifier.json")
    parser.add_argument("--out", type=Path, default=ROOT / "eval/results/classifier.md")
    return parser.parse_args()


def read(folder: Path) -> list[Example]:
    """Every distinct question once; two that differ only in case, punctuation or numbers are the same."""
    found: dict[str, Example] = {}
    trec = (line.split("\t", 2) for line in lines(folder / "trec_qc_train.tsv"))
    hops = (line.split("\t", 2) for line in lines(folder / "hops_train.tsv"))
    own = (line.split("\t", 1) for line in lines(ROOT / "eval/query_examples.tsv"))
    examples = [
        *(Example(text=t, label="complex" if n == "multi" else None, source="hops", kind=s) for n, s, t in hops),
        *(Example(text=t, label=label, source="examples") for label, t in own),
        *(
            Example(text=t, label="semantic" if c == "DESC" else "factual", source="trec", kind=f"{c}/{f}")
            for c, f, t in trec
        ),
    ]
    for example in examples:
        found.setdefault(" ".join(words(example.text)), example)
    examples = list(found.values())
    return examples + composed([example.text for example in examples if example.source == "trec"])


def composed(questions: Sequence[str]) -> list[Example]:
    """Complex questions made of simple ones. They are trained on, and never measured on."""
    composer = Composer(names_of(questions))
    shuffled = random.Random(1).sample(questions, len(questions))
    bridged = [text for question in shuffled if (text := composer.bridged(question))][:COMPOSED]
    told = [composer.told() for _ in range(COMPOSED)]
    compared = [composer.compared() for _ in range(COMPOSED // 2)]
    return [Example(text=text, label="complex", source="composed") for text in (*bridged, *told, *compared)]


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").split("\n")[1:] if line]


def vocabulary(examples: Sequence[Example]) -> list[str]:
    """The features that at least two examples have; composed ones count for what they are trained for alone."""
    counts = Counter(
        name
        for example in examples
        for name in features(words(example.text))
        if example.source != "composed" or kind_of(name) in COMPLEX_KINDS
    )
    return sorted(name for name, count in counts.items() if count >= LEAST_COUNT)


def kind_of(feature: str) -> str:
    return feature.partition(":")[0]


def counted(texts: Iterable[str], names: Sequence[str]) -> csr_matrix:
    """Which text has which of the features."""
    column = {name: place for place, name in enumerate(names)}
    rows = [sorted(column[name] for name in features(words(text)) if name in column) for text in texts]
    starts = np.cumsum([0, *map(len, rows)])
    return csr_matrix((np.ones(starts[-1]), np.concatenate(rows), starts), shape=(len(rows), len(names)))


def targets(examples: Sequence[Example], question: int) -> tuple[np.ndarray, np.ndarray]:
    """The answer to a question for each example, and its weight; weight 0 where the answer is not known."""
    if question == 0:
        answers = np.array([example.is_complex for example in examples])
        return answers, np.array([COMPLEX_WEIGHTS[example.source] for example in examples])
    answers = np.array([example.label == "semantic" for example in examples])
    known = np.array([example.label in ("factual", "semantic") for example in examples])
    trust = np.array([EXAMPLE_WEIGHT if example.source == "examples" else 1.0 for example in examples])
    return answers, np.where(known, np.where(answers, SEMANTIC_WEIGHT, 1.0) * trust, 0.0)


@dataclass(frozen=True, slots=True)
class Fit:
    weights: np.ndarray
    unit: float
    bias: float

    def log_odds(self, matrix: csr_matrix) -> np.ndarray:
        return self.unit * (matrix @ self.weights) + self.bias


def fit(examples: Sequence[Example], matrix: csr_matrix, names: Sequence[str], rows: np.ndarray, question: int) -> Fit:
    answers, weights = targets(examples, question)
    rows = rows[weights[rows] > 0]
    here, said, weight = matrix[rows], answers[rows], weights[rows]
    if question == 0:
        scale = np.array([float(kind_of(name) in COMPLEX_KINDS) for name in names])
    else:
        yes, no = 1 + said @ here, 1 + (~said) @ here
        scale = np.log(yes / yes.sum()) - np.log(no / no.sum())
    penalty = REGULARISATION["semantic" if question else "complex"]
    model = LogisticRegression(C=penalty, solver="liblinear", tol=1e-3, random_state=0)
    model.fit(here.multiply(scale).tocsr(), said, sample_weight=weight)
    exact = model.coef_[0] * scale
    unit = float(np.abs(exact).max()) / LEVELS
    return Fit(np.rint(exact / unit).astype(int), unit, float(model.intercept_[0]))


def without_question(examples: Sequence[Example]) -> np.ndarray:
    """Which are keywords or claims."""
    return np.array([not asks(words(example.text)) for example in examples])


def cross_validated(
    examples: Sequence[Example], matrix: csr_matrix, names: Sequence[str], typed: dict[str, csr_matrix]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Log-odds of both questions for each example, as it stands and typed otherwise, from a fit without it."""
    found = np.zeros((len(examples), 2))
    retyped = {name: np.zeros((len(examples), 2)) for name in typed}
    strata = [f"{example.source} {example.label}" for example in examples]
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=1).split(strata, strata):
        for question in (0, 1):
            fitted = fit(examples, matrix, names, train, question)
            found[test, question] = fitted.log_odds(matrix[test])
            for name, other in typed.items():
                retyped[name][test, question] = fitted.log_odds(other[test])
    return found, retyped


def answered(examples: Sequence[Example], log_odds: np.ndarray, question: int) -> tuple[np.ndarray, np.ndarray]:
    """Held-out log-odds with their right answers, of the questions from the collections alone."""
    answers, weights = targets(examples, question)
    chosen = (weights > 0) & np.array([example.source in ("trec", "hops") for example in examples])
    return log_odds[chosen, question], answers[chosen]


def slope(log_odds: np.ndarray, answers: np.ndarray) -> float:
    """The factor that makes probabilities of log-odds; without an offset, so that no label changes."""
    tried = np.geomspace(0.2, 3, 60)
    losses = [np.mean(np.logaddexp(0, np.where(answers, -1, 1) * factor * log_odds)) for factor in tried]
    return round(float(tried[int(np.argmin(losses))]), 3)


def sigmoid(log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-log_odds))


def statements(examples: Sequence[Example], log_odds: np.ndarray) -> tuple[float, float]:
    """Offset and slope (Platt scaling) for keywords and claims, from the held-out log-odds of the examples."""
    chosen = without_question(examples) & np.array([e.source == "examples" and not e.is_complex for e in examples])
    answers = np.array([example.label == "semantic" for example in examples])[chosen]
    model = LogisticRegression(C=1.0).fit(log_odds[chosen, 1:2], answers)
    return round(float(model.intercept_[0]), 3), round(float(model.coef_[0, 0]), 3)


def write_model(
    path: Path, names: Sequence[str], fits: Sequence[Fit], slopes: Sequence[float], no_question: Sequence[float]
) -> None:
    by_weights: dict[str, list[str]] = {}
    for name, hard, meant in zip(names, *(each.weights.tolist() for each in fits), strict=True):
        if hard or meant:
            by_weights.setdefault(f"{hard} {meant}", []).append(name)
    record = {
        "format": FORMAT,
        "unit": [round(each.unit, 9) for each in fits],
        "bias": [round(each.bias, 6) for each in fits],
        "slope": list(slopes),
        "no_question": list(no_question),
        "weights": {weights: TAB.join(having) for weights, having in sorted(by_weights.items())},
    }
    path.write_text(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def probabilities(
    examples: Sequence[Example], log_odds: np.ndarray, slopes: Sequence[float], no_question: Sequence[float]
) -> np.ndarray:
    """Of factual, semantic and complex, as `TrainedClassifier` has them."""
    nothing_asked = without_question(examples)
    offset, factor = np.where(nothing_asked[:, None], no_question, (0.0, slopes[1])).T
    hard = np.where(nothing_asked, 0.0, 1 / (1 + np.exp(-slopes[0] * log_odds[:, 0])))
    meant = 1 / (1 + np.exp(-(offset + factor * log_odds[:, 1])))
    return np.column_stack([(1 - hard) * (1 - meant), (1 - hard) * meant, hard])


def labels(spread: np.ndarray) -> np.ndarray:
    """Of the labels, their places."""
    return np.argmax(spread, axis=1)


def report(
    examples: Sequence[Example],
    spread: np.ndarray,
    meant: np.ndarray,
    retyped: dict[str, np.ndarray],
    model: Path,
    data: Path,
) -> str:
    real = np.array([example.source != "composed" for example in examples])
    examples, spread = [e for e, keep in zip(examples, real, strict=True) if keep], spread[real]
    two_way = meant[real] == np.array([example.label == "semantic" for example in examples])
    called = labels(spread)
    right = correct(examples, called)
    trec = np.array([example.source == "trec" for example in examples])
    hops = np.array([example.source == "hops" for example in examples])
    own = np.array([example.source == "examples" for example in examples])
    multi = np.array([example.is_complex for example in examples])
    blocks = [
        "# Query classifier\n",
        (__doc__ or "").strip() + "\n",
        f"{trec.sum():,} TREC questions, {hops.sum()} of one or several hops, {own.sum()} examples of our own "
        f"(`eval/query_examples.tsv`); the model has {size(model)}.\n",
        "## Accuracy on unseen questions\n",
        table(
            ("what", "questions", "right"),
            [
                ("factual against semantic, TREC", trec.sum(), share(right[trec])),
                ("of them called complex", trec.sum(), share(called[trec] == 2)),
                ("the same, were complex no answer", trec.sum(), share(two_way[trec])),
                ("single against multi-hop", hops.sum(), share(right[hops])),
                ("single-hop alone", (hops & ~multi).sum(), share(right[hops & ~multi])),
                ("multi-hop alone", (hops & multi).sum(), share(right[hops & multi])),
                ("our own examples", own.sum(), share(right[own])),
            ],
        ),
        "A question that is called complex counts as wrong among the TREC questions.\n",
        "## Confusion\n",
        confusion(examples, called),
        "## Where factual and semantic are mixed up\n",
        worst_kinds(examples, right),
        "TREC's own labels are at odds in places: `What does laser stand for ?` is a description, and `What does "
        "CNN stand for ?` an abbreviation.\n",
        "## Confidence\n",
        calibration(spread.max(axis=1)[trec | hops], right[trec | hops]),
        "## The same questions, typed otherwise\n",
        table(
            ("typed", "TREC: right", "hops: right", "same label as before"),
            [variant(name, examples, labels(odds[real]), called, trec, hops) for name, odds in retyped.items()],
        ),
        "## Queries of collections without labels\n",
        unlabelled(TrainedClassifier(model), data),
    ]
    return "\n".join(blocks)


def correct(examples: Sequence[Example], called: np.ndarray) -> np.ndarray:
    return np.array(
        [
            LABELS[place] == example.label or (example.label is None and place != 2)
            for example, place in zip(examples, called, strict=True)
        ]
    )


def confusion(examples: Sequence[Example], called: np.ndarray) -> str:
    rows: dict[str, Counter[int]] = {}
    for example, place in zip(examples, called, strict=True):
        truth = f"{example.source}: {example.label or 'single-hop (factual or semantic)'}"
        rows.setdefault(truth, Counter())[int(place)] += 1
    return table(("truth", *LABELS), [(name, *(rows[name][place] for place in range(3))) for name in sorted(rows)])


def worst_kinds(examples: Sequence[Example], right: np.ndarray) -> str:
    wrong = Counter(e.kind for e, ok in zip(examples, right, strict=True) if e.source == "trec" and not ok)
    total = Counter(e.kind for e in examples)
    return table(("class", "questions", "wrong"), [(kind, total[kind], n) for kind, n in wrong.most_common(10)])


def calibration(confidence: np.ndarray, right: np.ndarray) -> str:
    rows: list[tuple[object, ...]] = []
    error = 0.0
    for low, high in ((0, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 0.95), (0.95, 0.99), (0.99, 1.01)):
        held = (confidence >= low) & (confidence < high)
        if held.any():
            error += held.sum() * abs(confidence[held].mean() - right[held].mean())
            rows.append(
                (f"{low:.0%} to {min(high, 1):.0%}", held.sum(), f"{confidence[held].mean():.1%}", share(right[held]))
            )
    shown = table(("confidence", "questions", "mean confidence", "right"), rows)
    return f"{shown}\nExpected calibration error over these bins: {error / len(right):.3f}\n"


def variant(
    name: str, examples: Sequence[Example], now: np.ndarray, before: np.ndarray, trec: np.ndarray, hops: np.ndarray
) -> tuple[object, ...]:
    right = correct(examples, now)
    return name, share(right[trec]), share(right[hops]), share(now == before)


def unlabelled(classifier: TrainedClassifier, data: Path) -> str:
    rows: list[tuple[object, ...]] = []
    seconds: list[float] = []
    for path in sorted(data.glob("*/queries.jsonl")):
        texts = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        started = time.perf_counter()
        found = classifier.classify_many(texts)
        seconds.append((time.perf_counter() - started) / len(texts))
        counts = Counter(each.label for each in found)
        confidence = statistics.mean(each.confidence or 0 for each in found)
        rows.append((path.parent.name, len(texts), *(counts[label] for label in LABELS), f"{confidence:.2f}"))
    print(f"{max(seconds, default=0) * 1000:.2f} ms a query at most (mean of a collection)")
    return table(("collection", "queries", *LABELS, "mean confidence"), rows)


def size(model: Path) -> str:
    having = json.loads(model.read_text(encoding="utf-8"))["weights"].values()
    kilobytes = math.ceil(model.stat().st_size / 1000)
    return f"{sum(len(names.split(TAB)) for names in having):,} features in {kilobytes} KB"


def share(values: np.ndarray) -> str:
    return f"{values.mean():.1%}" if len(values) else ""


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    ruled = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in ruled) + "\n"


if __name__ == "__main__":
    main()
