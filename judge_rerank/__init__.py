"""LLM-as-judge reranking: `Judge(model).rerank(query, docs, strategy=...)`.

What needs more than the standard library is loaded on first use, so that the import itself is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from judge_rerank.errors import (
    AuthenticationError,
    BudgetError,
    BudgetExceeded,
    ContextTooLong,
    DataError,
    InputError,
    LedgerError,
    MissingExtra,
    ModelUnavailable,
    PricingUnknown,
    PromptError,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    RerankError,
    ScorerError,
    SetupError,
    StrategyError,
    UnknownName,
)
from judge_rerank.types import (
    Candidate,
    Document,
    Estimate,
    Forecast,
    Integrity,
    Judgment,
    Passage,
    Query,
    RankedDocument,
    Ranking,
    Recommendation,
    Usage,
)

if TYPE_CHECKING:
    from judge_rerank.auto import Auto, ClassIs, DefaultCascade
    from judge_rerank.budget import Budget
    from judge_rerank.calibration import Calibration
    from judge_rerank.cancel import CancelToken
    from judge_rerank.engine import Progress
    from judge_rerank.hybrid import Hybrid
    from judge_rerank.judge import Judge
    from judge_rerank.llm.cache import ReplyCache
    from judge_rerank.llm.pricing import Price
    from judge_rerank.retrieval import BM25Retriever, CallableRetriever, RerankedRetriever, Retriever
    from judge_rerank.routing.base import QueryClass, QueryClassifier
    from judge_rerank.routing.judged import JudgeClassifier
    from judge_rerank.routing.routes import Route, Routes
    from judge_rerank.routing.rules import Rule, Rules
    from judge_rerank.routing.trained import TrainedClassifier
    from judge_rerank.scorers.bm25 import BM25, CorpusStatistics
    from judge_rerank.scorers.colbert import ColBERT
    from judge_rerank.scorers.cross_encoder import CrossEncoder
    from judge_rerank.scorers.distilled import Distilled
    from judge_rerank.scorers.embedding import Embedding
    from judge_rerank.scorers.flashrank import FlashRank
    from judge_rerank.strategies.adaptive import Adaptive
    from judge_rerank.strategies.api import EmbeddingAPI, RerankAPI
    from judge_rerank.strategies.binary import Binary
    from judge_rerank.strategies.blitz import Blitz
    from judge_rerank.strategies.composing import Cascade, Stage, Unsure
    from judge_rerank.strategies.consistency import SelfConsistent
    from judge_rerank.strategies.first import First
    from judge_rerank.strategies.joint import Joint
    from judge_rerank.strategies.listwise import Listwise
    from judge_rerank.strategies.none import Unchanged
    from judge_rerank.strategies.pairwise import Pairwise
    from judge_rerank.strategies.partition import Partition
    from judge_rerank.strategies.passages import Passages
    from judge_rerank.strategies.score import Score
    from judge_rerank.strategies.setwise import Setwise
    from judge_rerank.strategies.tournament import Tournament
    from judge_rerank.trace import Trace

__version__ = "0.1.0"

_LAZY = {
    "Price": "llm.pricing",
    "ReplyCache": "llm.cache",
    "Trace": "trace",
    "Auto": "auto",
    "Budget": "budget",
    "ClassIs": "auto",
    "DefaultCascade": "auto",
    "Route": "routing.routes",
    "Routes": "routing.routes",
    "Adaptive": "strategies.adaptive",
    "Calibration": "calibration",
    "Binary": "strategies.binary",
    "Blitz": "strategies.blitz",
    "BM25": "scorers.bm25",
    "BM25Retriever": "retrieval",
    "CallableRetriever": "retrieval",
    "RerankedRetriever": "retrieval",
    "Retriever": "retrieval",
    "CancelToken": "cancel",
    "ColBERT": "scorers.colbert",
    "CorpusStatistics": "scorers.bm25",
    "CrossEncoder": "scorers.cross_encoder",
    "Distilled": "scorers.distilled",
    "Embedding": "scorers.embedding",
    "EmbeddingAPI": "strategies.api",
    "FlashRank": "scorers.flashrank",
    "Cascade": "strategies.composing",
    "Stage": "strategies.composing",
    "Unsure": "strategies.composing",
    "First": "strategies.first",
    "Hybrid": "hybrid",
    "Joint": "strategies.joint",
    "Judge": "judge",
    "JudgeClassifier": "routing.judged",
    "QueryClass": "routing.base",
    "QueryClassifier": "routing.base",
    "Rule": "routing.rules",
    "Rules": "routing.rules",
    "TrainedClassifier": "routing.trained",
    "Listwise": "strategies.listwise",
    "Pairwise": "strategies.pairwise",
    "Partition": "strategies.partition",
    "Passages": "strategies.passages",
    "Progress": "engine",
    "RerankAPI": "strategies.api",
    "Score": "strategies.score",
    "SelfConsistent": "strategies.consistency",
    "Setwise": "strategies.setwise",
    "Tournament": "strategies.tournament",
    "Unchanged": "strategies.none",
}

__all__ = [
    "BM25",
    "Adaptive",
    "AuthenticationError",
    "Auto",
    "BM25Retriever",
    "Binary",
    "Blitz",
    "Budget",
    "BudgetError",
    "BudgetExceeded",
    "Calibration",
    "CallableRetriever",
    "CancelToken",
    "Candidate",
    "Cascade",
    "ClassIs",
    "ColBERT",
    "ContextTooLong",
    "CorpusStatistics",
    "CrossEncoder",
    "DataError",
    "DefaultCascade",
    "Distilled",
    "Document",
    "Embedding",
    "EmbeddingAPI",
    "Estimate",
    "First",
    "FlashRank",
    "Forecast",
    "Hybrid",
    "InputError",
    "Integrity",
    "Joint",
    "Judge",
    "JudgeClassifier",
    "Judgment",
    "LedgerError",
    "Listwise",
    "MissingExtra",
    "ModelUnavailable",
    "Pairwise",
    "Partition",
    "Passage",
    "Passages",
    "Price",
    "PricingUnknown",
    "Progress",
    "PromptError",
    "ProviderError",
    "ProviderTimeout",
    "ProviderUnavailable",
    "Query",
    "QueryClass",
    "QueryClassifier",
    "QuotaExhausted",
    "RankedDocument",
    "Ranking",
    "RateLimited",
    "Recommendation",
    "ReplyCache",
    "RequestRejected",
    "RerankAPI",
    "RerankError",
    "RerankedRetriever",
    "Retriever",
    "Route",
    "Routes",
    "Rule",
    "Rules",
    "Score",
    "ScorerError",
    "SelfConsistent",
    "SetupError",
    "Setwise",
    "Stage",
    "StrategyError",
    "Tournament",
    "Trace",
    "TrainedClassifier",
    "Unchanged",
    "UnknownName",
    "Unsure",
    "Usage",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
