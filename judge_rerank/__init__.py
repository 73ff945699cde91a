"""LLM-as-judge reranking: `Judge(model).rerank(query, docs, strategy=...)`.

What needs more than the standard library is loaded on first use, so that the import itself is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from judge_rerank.core.errors import (
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
from judge_rerank.core.types import (
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
    from judge_rerank.cache.reply_cache import ReplyCache
    from judge_rerank.core.cancel import CancelToken
    from judge_rerank.engine.driver import Progress
    from judge_rerank.judge import Judge
    from judge_rerank.learning.calibration import Calibration
    from judge_rerank.retrieval import BM25Retriever, CallableRetriever, RerankedRetriever, Retriever
    from judge_rerank.routing.auto import Auto, ClassIs, DefaultCascade
    from judge_rerank.routing.classifier import QueryClass, QueryClassifier
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
    from judge_rerank.spending.budget import Budget
    from judge_rerank.spending.pricing import Price
    from judge_rerank.strategies.adaptive import Adaptive
    from judge_rerank.strategies.api import EmbeddingAPI, RerankAPI
    from judge_rerank.strategies.binary import Binary
    from judge_rerank.strategies.blitz import Blitz
    from judge_rerank.strategies.cascade import Cascade, Stage, Unsure
    from judge_rerank.strategies.first import First
    from judge_rerank.strategies.hybrid import Hybrid
    from judge_rerank.strategies.joint import Joint
    from judge_rerank.strategies.listwise import Listwise
    from judge_rerank.strategies.pairwise import Pairwise
    from judge_rerank.strategies.partition import Partition
    from judge_rerank.strategies.passages import Passages
    from judge_rerank.strategies.score import Score
    from judge_rerank.strategies.self_consistent import SelfConsistent
    from judge_rerank.strategies.setwise import Setwise
    from judge_rerank.strategies.tournament import Tournament
    from judge_rerank.strategies.unchanged import Unchanged
    from judge_rerank.tracing.trace import Trace

__version__ = "0.1.0"

_LAZY = {
    "Price": "spending.pricing",
    "ReplyCache": "cache.reply_cache",
    "Trace": "tracing.trace",
    "Auto": "routing.auto",
    "Budget": "spending.budget",
    "ClassIs": "routing.auto",
    "DefaultCascade": "routing.auto",
    "Route": "routing.routes",
    "Routes": "routing.routes",
    "Adaptive": "strategies.adaptive",
    "Calibration": "learning.calibration",
    "Binary": "strategies.binary",
    "Blitz": "strategies.blitz",
    "BM25": "scorers.bm25",
    "BM25Retriever": "retrieval",
    "CallableRetriever": "retrieval",
    "RerankedRetriever": "retrieval",
    "Retriever": "retrieval",
    "CancelToken": "core.cancel",
    "ColBERT": "scorers.colbert",
    "CorpusStatistics": "scorers.bm25",
    "CrossEncoder": "scorers.cross_encoder",
    "Distilled": "scorers.distilled",
    "Embedding": "scorers.embedding",
    "EmbeddingAPI": "strategies.api",
    "FlashRank": "scorers.flashrank",
    "Cascade": "strategies.cascade",
    "Stage": "strategies.cascade",
    "Unsure": "strategies.cascade",
    "First": "strategies.first",
    "Hybrid": "strategies.hybrid",
    "Joint": "strategies.joint",
    "Judge": "judge",
    "JudgeClassifier": "routing.judged",
    "QueryClass": "routing.classifier",
    "QueryClassifier": "routing.classifier",
    "Rule": "routing.rules",
    "Rules": "routing.rules",
    "TrainedClassifier": "routing.trained",
    "Listwise": "strategies.listwise",
    "Pairwise": "strategies.pairwise",
    "Partition": "strategies.partition",
    "Passages": "strategies.passages",
    "Progress": "engine.driver",
    "RerankAPI": "strategies.api",
    "Score": "strategies.score",
    "SelfConsistent": "strategies.self_consistent",
    "Setwise": "strategies.setwise",
    "Tournament": "strategies.tournament",
    "Unchanged": "strategies.unchanged",
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
