"""Of what kind a query is: `QueryClass`, and three classifiers that find it out.

`TrainedClassifier` knows by a small model that comes with the package, `Rules` by what the user writes down, and
`JudgeClassifier` asks the judge.
"""

from __future__ import annotations

from judge_rerank.routing.auto import (
    Auto,
    ClassIs,
    DefaultCascade,
    default_cascade,
    parts,
    prefilter,
    resolved,
)
from judge_rerank.routing.classifier import LABELS, QueryClass, QueryClassifier
from judge_rerank.routing.features import asks, features, words
from judge_rerank.routing.judged import JudgeClassifier, asked
from judge_rerank.routing.plan import Limits, recommend
from judge_rerank.routing.routes import Route, Routes
from judge_rerank.routing.rules import Rule, Rules
from judge_rerank.routing.trained import FORMAT, TrainedClassifier

__all__ = [
    "FORMAT",
    "LABELS",
    "Auto",
    "ClassIs",
    "DefaultCascade",
    "JudgeClassifier",
    "Limits",
    "QueryClass",
    "QueryClassifier",
    "Route",
    "Routes",
    "Rule",
    "Rules",
    "TrainedClassifier",
    "asked",
    "asks",
    "default_cascade",
    "features",
    "parts",
    "prefilter",
    "recommend",
    "resolved",
    "words",
]
