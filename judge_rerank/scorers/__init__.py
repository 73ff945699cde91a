"""Relevance models that run on this machine, or somewhere cheap: what comes before the LLM."""

from __future__ import annotations

from judge_rerank.scorers.base import LocalScorer, asks_only_a_scorer, full_text
from judge_rerank.scorers.bm25 import BM25, CorpusStatistics
from judge_rerank.scorers.colbert import ColBERT
from judge_rerank.scorers.computing import TURN, import_torch, silent_transformers
from judge_rerank.scorers.cross_encoder import CrossEncoder
from judge_rerank.scorers.distilled import MODEL, Distilled, Kind, Recipe, signals_of, tuned
from judge_rerank.scorers.embedding import Embedding
from judge_rerank.scorers.flashrank import FlashRank
from judge_rerank.scorers.memory import forget
from judge_rerank.scorers.weights import TORCH_WEIGHTS, load_weights, needed_weights, weights_folder

__all__ = [
    "BM25",
    "MODEL",
    "TORCH_WEIGHTS",
    "TURN",
    "ColBERT",
    "CorpusStatistics",
    "CrossEncoder",
    "Distilled",
    "Embedding",
    "FlashRank",
    "Kind",
    "LocalScorer",
    "Recipe",
    "asks_only_a_scorer",
    "forget",
    "full_text",
    "import_torch",
    "load_weights",
    "needed_weights",
    "signals_of",
    "silent_transformers",
    "tuned",
    "weights_folder",
]
