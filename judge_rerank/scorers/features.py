"""What can be seen of a query and its candidates for nothing: a few signals that a distilled scorer weighs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from judge_rerank.core import Group, Query
from judge_rerank.scorers.base import full_text
from judge_rerank.scorers.bm25 import CorpusStatistics, bm25_weight
from judge_rerank.scorers.encoders import Encoder, Vectors, normalised
from judge_rerank.scorers.memory import memory
from judge_rerank.scorers.words import words_of

Signal = NDArray[np.float64]

NAMES = (
    "lexical",
    "coverage",
    "phrases",
    "cosine",
    "windows",
    "max_sim",
    "weakest_match",
    "feedback",
    "feedback_words",
)
"""Every signal; greater means more relevant."""

_WINDOW, _STEP = 32, 16
_MEMORY = 3_000
# Signals that learn from the candidates that look best need enough of them.
_FEW = 20
_STOP = frozenset(
    words_of(
        "a about an and are as at be by can did do does for from has have how in is it its of on or that the this to "
        "was were what when where which who why will with"
    )
)


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A text as its vector, its windows' vectors and its tokens' vectors, all of length 1."""

    whole: Vectors
    windows: NDArray[np.float16]
    tokens: NDArray[np.float16]


def signals(groups: Sequence[Group], model: Encoder, owner: object, batch_size: int = 32) -> list[NDArray[np.float64]]:
    """For each group a row a candidate and a column for each of `NAMES`, standardised over the group.

    Args:
        groups: queries with their candidates.
        model: the bi-encoder whose vectors of texts and of tokens are compared.
        owner: what the vectors of documents are kept for: equal for equal models.
        batch_size: texts that go through the model at once.
    """

    def encode(texts: Sequence[str]) -> list[_Encoded]:
        return [_encoded(vectors) for _, vectors in model.tokens(texts, batch_size)]

    queries = dict.fromkeys(query.text for query, _ in groups)
    asked = dict(zip(queries, encode(list(queries)), strict=True))
    texts = [full_text(c.document) for _, candidates in groups for c in candidates]
    documents = iter(memory(("tokens", owner), _MEMORY).recall(texts, encode))
    words = iter([_terms(text) for text in texts])
    return [
        _signals(query, asked[query.text], [next(documents) for _ in candidates], [next(words) for _ in candidates])
        for query, candidates in groups
    ]


def _encoded(vectors: Vectors) -> _Encoded:
    starts = range(0, max(1, len(vectors) - _STEP), _STEP)
    windows = np.stack([vectors[start : start + _WINDOW].mean(axis=0) for start in starts])
    inner = vectors[1:-1] if len(vectors) > 2 else vectors  # without the marks of beginning and end
    return _Encoded(
        normalised(vectors.mean(axis=0)), normalised(windows).astype(np.float16), normalised(inner).astype(np.float16)
    )


def _signals(
    query: Query, asked: _Encoded, documents: Sequence[_Encoded], words: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    count = len(documents)
    if not count:
        return np.zeros((0, len(NAMES)))
    wholes = np.stack([document.whole for document in documents])
    matches = np.stack([_matches(asked, document) for document in documents])
    found: dict[str, Signal] = {
        **_lexical([t for t in _terms(query.text) if t not in _STOP] or _terms(query.text), words),
        "cosine": (wholes @ asked.whole).astype(np.float64),
        "windows": np.array([_best_two(document.windows.astype(np.float32) @ asked.whole) for document in documents]),
        "max_sim": matches.mean(axis=1).astype(np.float64),
        "weakest_match": matches.min(axis=1).astype(np.float64),
    }
    found = {name: standardised(signal) for name, signal in found.items()}
    best = np.argsort(-(found["cosine"] + found["max_sim"] + found["lexical"] / 2), kind="stable")
    trust = count / (count + _FEW)
    found["feedback"] = trust * standardised(_feedback(wholes, best[:3]))
    found["feedback_words"] = trust * standardised(_feedback_words(words, best[:8]))
    return np.stack([found[name] for name in NAMES], axis=1)


def standardised(signal: Signal) -> Signal:
    """With mean 0 and deviation 1; zeros where all are equal."""
    deviation = signal.std()
    return (signal - signal.mean()) / deviation if deviation > 1e-9 else np.zeros(len(signal))


def _matches(asked: _Encoded, document: _Encoded) -> Vectors:
    """For each of the query's tokens the best cosine with one of the document's."""
    return (asked.tokens.astype(np.float32) @ document.tokens.astype(np.float32).T).max(axis=1)


def _best_two(scores: Vectors) -> float:
    return float(np.sort(scores)[-2:].mean())


def _lexical(asked: Sequence[str], words: Sequence[Sequence[str]]) -> dict[str, Signal]:
    """BM25, the share of the query's words (by rarity) and of its pairs of neighbours that the document has."""
    rarity = _rarity(asked, words)
    total = math.fsum(rarity.values()) or 1.0
    neighbours = set(pairwise(asked))
    known = CorpusStatistics(
        documents=len(words),
        mean_length=max(1.0, sum(map(len, words)) / len(words)),
        frequencies=_frequencies(words),
    )
    return {
        "lexical": np.array([bm25_weight(asked, document, known) for document in words]),
        "coverage": np.array([math.fsum(rarity[w] for w in rarity.keys() & set(d)) / total for d in words]),
        "phrases": np.array([len(neighbours & set(pairwise(d))) / max(1, len(neighbours)) for d in words], dtype=float),
    }


def _feedback(wholes: Vectors, best: NDArray[np.intp]) -> Signal:
    """The mean cosine with the candidates that look best, other than itself."""
    similar = (wholes @ wholes[best].T).astype(np.float64)
    similar[best, np.arange(len(best))] = 0
    others = np.full(len(wholes), float(len(best)))
    others[best] -= 1
    return similar.sum(axis=1) / np.maximum(others, 1)


def _feedback_words(words: Sequence[Sequence[str]], best: NDArray[np.intp]) -> Signal:
    """The share, by rarity, of the words that several of the best-looking candidates have (after RM3)."""
    among = Counter(word for place in map(int, best) for word in set(words[place]))
    shared = {word: count for word, count in among.items() if count > 1 and word not in _STOP and len(word) > 2}
    rarity = _rarity(list(shared), words)
    weights: Mapping[str, float] = {word: shared[word] * rarity[word] for word in shared}
    total = math.fsum(weights.values()) or 1.0
    return np.array([math.fsum(weights[w] for w in weights.keys() & set(d)) / total for d in words])


def _frequencies(words: Sequence[Sequence[str]]) -> Counter[str]:
    return Counter(word for document in words for word in set(document))


def _rarity(asked: Sequence[str], words: Sequence[Sequence[str]]) -> dict[str, float]:
    frequencies, count = _frequencies(words), len(words)
    return {w: math.log(1 + (count - frequencies[w] + 0.5) / (frequencies[w] + 0.5)) for w in asked}


def _terms(text: str) -> list[str]:
    return [_stem(word) for word in words_of(text)]


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    """Without the commonest English endings; what they are matters less than that both sides lose them.

    A word with a letter that English has not is no English word.
    """
    if not word.isascii():
        return word
    for ending in ("ing", "edly", "ed", "ies", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
