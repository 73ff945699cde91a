"""The first stage for passages: BM25 picks those that are worth a judgment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from judge_rerank.errors import MissingExtra
from judge_rerank.types import Document

_WORD = re.compile(r"\w+")


def distinct(documents: Sequence[Document]) -> list[Document]:
    """The documents without those whose text stood in an earlier one."""
    first: dict[str, Document] = {}
    for document in documents:
        first.setdefault(document.text, document)
    return list(first.values())


def by_bm25(query: str, documents: Sequence[Document], keep: int) -> list[Document]:
    """The `keep` documents with the highest BM25 score of title and text, best first, each with its score.

    Words are runs of letters and digits in lower case, without stemming or stop words. Ties stand in the given order.

    Raises:
        MissingExtra: bm25s is not installed.
    """
    try:
        import bm25s
    except ModuleNotFoundError as error:
        raise MissingExtra("Ranking passages by BM25", "cli", "bm25s") from error
    words = [_words(f"{document.title or ''} {document.text}") for document in documents]
    scores = [0.0] * len(documents)
    if (asked := _words(query)) and any(words):
        index = bm25s.BM25()
        index.index(words, show_progress=False)
        scores = [float(score) for score in index.get_scores(asked)]
    best = sorted(range(len(documents)), key=lambda place: -scores[place])[:keep]
    return [replace(documents[place], score=round(scores[place], 4)) for place in best]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
