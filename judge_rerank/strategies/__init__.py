"""Ways to put candidates in order, one file each."""

from __future__ import annotations

from judge_rerank.strategies.adaptive import Adaptive
from judge_rerank.strategies.algorithms.score_fusion import Signal, by_place
from judge_rerank.strategies.algorithms.windows import batches
from judge_rerank.strategies.api import EmbeddingAPI, RerankAPI
from judge_rerank.strategies.asking import Asking, Comparing
from judge_rerank.strategies.binary import Binary
from judge_rerank.strategies.blitz import Blitz
from judge_rerank.strategies.canonical import nested
from judge_rerank.strategies.cascade import Cascade, Composable, Condition, Stage, Unsure, fewest_kept
from judge_rerank.strategies.decorators import condition, option_value, scorer, strategy
from judge_rerank.strategies.first import First
from judge_rerank.strategies.fitting import EMBEDDERS, Fitting, first_fitting, is_here, unknown_languages
from judge_rerank.strategies.hybrid import FIRST_STAGE, Hybrid, summed
from judge_rerank.strategies.joint import Joint
from judge_rerank.strategies.listwise import Listwise
from judge_rerank.strategies.pairwise import Pairwise
from judge_rerank.strategies.partition import Partition
from judge_rerank.strategies.passages import Passages
from judge_rerank.strategies.pointwise import Pointwise
from judge_rerank.strategies.registry import STRATEGIES, VALUES, additions
from judge_rerank.strategies.score import Score
from judge_rerank.strategies.self_consistent import SelfConsistent
from judge_rerank.strategies.setwise import Setwise
from judge_rerank.strategies.spec import parse, strategy_names
from judge_rerank.strategies.tournament import Tournament
from judge_rerank.strategies.unchanged import Unchanged
from judge_rerank.strategies.untrusted import Untrusted

__all__ = [
    "EMBEDDERS",
    "FIRST_STAGE",
    "STRATEGIES",
    "VALUES",
    "Adaptive",
    "Asking",
    "Binary",
    "Blitz",
    "Cascade",
    "Comparing",
    "Composable",
    "Condition",
    "EmbeddingAPI",
    "First",
    "Fitting",
    "Hybrid",
    "Joint",
    "Listwise",
    "Pairwise",
    "Partition",
    "Passages",
    "Pointwise",
    "RerankAPI",
    "Score",
    "SelfConsistent",
    "Setwise",
    "Signal",
    "Stage",
    "Tournament",
    "Unchanged",
    "Unsure",
    "Untrusted",
    "additions",
    "batches",
    "by_place",
    "condition",
    "fewest_kept",
    "first_fitting",
    "is_here",
    "nested",
    "option_value",
    "parse",
    "scorer",
    "strategy",
    "strategy_names",
    "summed",
    "unknown_languages",
]
