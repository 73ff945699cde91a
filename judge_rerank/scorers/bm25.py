"""BM25: words in common, weighted by how rare they are."""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from judge_rerank.core import Candidate, DataError, Group, InputError, MissingExtra, check_number, sampled
from judge_rerank.scorers.base import LocalScorer, full_text
from judge_rerank.scorers.words import in_parts, words_of
from judge_rerank.strategies import scorer


@dataclass(frozen=True, kw_only=True, eq=False)
class CorpusStatistics:
    """The frequencies of words in a whole collection, of which the candidates are a part.

    Attributes:
        documents: how many there are.
        mean_length: the mean number of words per document.
        frequencies: the number of documents that contain each word.
    """

    documents: int
    mean_length: float
    frequencies: Mapping[str, int]

    def __post_init__(self) -> None:
        if self.documents < 1 or not self.mean_length > 0:
            raise InputError(
                f"The statistics cover {self.documents} documents with {self.mean_length} words each; expected at "
                "least one document with a word."
            )

    @classmethod
    def of(cls, texts: Iterable[str]) -> CorpusStatistics:
        """Counted in the texts of a collection.

        Raises:
            InputError: there is no word in them.
        """
        documents = length = 0
        frequencies = Counter[str]()
        for text in texts:
            words = words_of(text)
            documents, length = documents + 1, length + len(words)
            frequencies.update(set(words))
        return cls(documents=documents, mean_length=length / max(documents, 1), frequencies=frequencies)

    @property
    def spec(self) -> str:
        """What identifies the statistics in a spec string; only a file of them can be named in one."""
        counted = json.dumps([self.documents, self.mean_length, dict(self.frequencies)], sort_keys=True)
        return f"<statistics of {self.documents} documents {sha256(counted.encode()).hexdigest()[:12]}>"

    def save(self, path: Path | str) -> None:
        """Write a JSON file that `load` reads."""
        record = {"documents": self.documents, "mean_length": self.mean_length, "frequencies": dict(self.frequencies)}
        Path(path).expanduser().write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> CorpusStatistics:
        """Read what `save` wrote.

        Raises:
            DataError: the file cannot be read, or holds something else.
        """
        try:
            record: dict[str, Any] = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
            frequencies = {str(word): int(count) for word, count in record["frequencies"].items()}
            return cls(
                documents=int(record["documents"]), mean_length=float(record["mean_length"]), frequencies=frequencies
            )
        except OSError as error:
            raise DataError(f"The statistics cannot be read: {error.strerror}.", path=path) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            msg = (
                "This file does not hold the statistics of a collection; write one with "
                "CorpusStatistics.of(texts).save(path)."
            )
            raise DataError(msg, path=path) from None


@scorer("bm25")
@dataclass(frozen=True, kw_only=True)
class BM25(LocalScorer):
    """Scores by BM25 (Robertson and Zaragoza, doi:10.1561/1500000019), over the candidates or a whole collection.

    Words are runs of letters and digits in one spelling, of title and text, without stemming or stop words. In scripts
    without spaces, and in languages other than English, they are pairs of characters or runs of letters
    (`scorers/words.py`). Raw scores are 0 without a word in common and have no bound; as relevance, s / (s + 8). Where
    all are 0, `ranking.notes` says so. One round, no calls.

    Example:
        ```python
        from judge_rerank import BM25, Judge

        docs = ["A bell is loud.", "Clean the rotor.", "Brakes squeal when oil has reached the rotor."]
        ranking = Judge().rerank("why do my brakes squeal?", docs, BM25())
        print([result.index for result in ranking], ranking.usage.calls)  # [2, 0, 1] 0
        ```

    Attributes:
        k1: how soon a repeated word stops counting, at least 0; the higher, the later.
        b: how much long documents are penalised, from 0 to 1.
        method: the variant of bm25s; "lucene" has no negative scores.
        statistics: of the collection, or a file of them; None for those of the candidates themselves. Only "lucene"
            takes them, and they are of whole words in Latin script.
    """

    k1: float = 1.2
    b: float = 0.75
    method: Literal["lucene", "robertson", "atire", "bm25l", "bm25+"] = "lucene"
    statistics: CorpusStatistics | str | None = None

    def __post_init__(self) -> None:
        check_number("k1", self.k1)
        check_number("b", self.b)
        if self.k1 < 0 or not 0 <= self.b <= 1:
            raise InputError(f"BM25 has k1={self.k1}, b={self.b}; k1 must be at least 0, and b from 0 to 1.")
        if self.statistics is not None and self.method != "lucene":
            raise InputError(f"method={self.method!r} does not accept the statistics of a collection; 'lucene' does.")
        if isinstance(self.statistics, str):
            _statistics(self.statistics)  # a file that cannot be read is found before anything is spent

    def is_here(self) -> bool:
        """Whether bm25s is installed."""
        return find_spec("bm25s") is not None

    def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
        """Each group's scores, with the statistics given or the group's own."""
        if self.statistics is None:
            return [self._among_themselves(query.text, candidates) for query, candidates in groups]
        known = _statistics(self.statistics) if isinstance(self.statistics, str) else self.statistics
        return [
            [
                bm25_weight(words_of(query.text), words_of(full_text(c.document)), known, k1=self.k1, b=self.b)
                for c in candidates
            ]
            for query, candidates in groups
        ]

    def unit(self, raw: float) -> float:
        """s / (s + 8)."""
        return max(0.0, raw) / (max(0.0, raw) + 8)

    def remarks(self, raw: Mapping[int, float]) -> tuple[str, ...]:
        """Whether there is any word in common."""
        if not raw or any(raw.values()):
            return ()
        return ("bm25: no document has a word of the query, so all score 0 and keep the order that they came in",)

    def _among_themselves(self, query: str, candidates: Sequence[Candidate]) -> Sequence[float]:
        """What `index` of the candidates would give for the query, with only the query's words told apart.

        One query asks for no more, and an index of all words takes ten times the memory of the texts.
        """
        bm25s: Any = _bm25s()
        latin_parts = in_parts([full_text(c.document) for c in sampled(candidates)])
        asked = words_of(query, latin_parts=latin_parts)
        numbers = {word: number for number, word in enumerate(dict.fromkeys(asked), start=1)}
        texts = [
            array("I", [numbers.get(word, 0) for word in words_of(full_text(c.document), latin_parts=latin_parts)])
            for c in candidates
        ]
        if not asked or not any(map(any, texts)):
            return [0.0] * len(candidates)
        index: Any = bm25s.BM25(k1=self.k1, b=self.b, method=self.method)
        index.index((texts, {_OTHER: 0, **numbers}), show_progress=False)
        return [float(score) for score in index.get_scores(asked)]

    def index(self, texts: Sequence[str]) -> Callable[[str], Sequence[float]]:
        """A collection made searchable: a function from a query to the score of each text.

        Raises:
            MissingExtra: bm25s is not installed.
        """
        bm25s: Any = _bm25s()
        latin_parts = in_parts(texts)
        words = [words_of(text, latin_parts=latin_parts) for text in texts]
        if not any(words):
            return lambda _query: [0.0] * len(texts)
        index: Any = bm25s.BM25(k1=self.k1, b=self.b, method=self.method)
        index.index(words, show_progress=False)

        def scores(query: str) -> Sequence[float]:
            asked = words_of(query, latin_parts=latin_parts)
            return [float(score) for score in index.get_scores(asked)] if asked else [0.0] * len(texts)

        return scores


_OTHER = " "  # all words that were not asked for; no word has a space


@lru_cache(maxsize=8)
def _statistics(path: str) -> CorpusStatistics:
    return CorpusStatistics.load(path)


def bm25_weight(
    asked: Sequence[str], words: Sequence[str], known: CorpusStatistics, *, k1: float = 1.2, b: float = 0.75
) -> float:
    """The score of one document, as bm25s computes it; bm25s itself cannot use given statistics."""
    counts = Counter(words)
    norm = k1 * (1 - b + b * len(words) / known.mean_length)
    score = 0.0
    for word in asked:
        if counts[word]:
            frequency = min(known.frequencies.get(word, 0), known.documents)
            rarity = math.log(1 + (known.documents - frequency + 0.5) / (frequency + 0.5))
            score += rarity * counts[word] / (counts[word] + norm)
    return score


def _bm25s() -> Any:
    try:
        import bm25s
    except ImportError as error:
        raise MissingExtra("Ranking by BM25", "", error.name or "bm25s") from None
    return bm25s
