"""Of what kind a query is: `QueryClass`, and three classifiers that find it out.

`TrainedClassifier` knows by a small model that comes with the package, `Rules` by what the user writes down, and
`JudgeClassifier` asks the judge.
"""

from __future__ import annotations

from judge_rerank.routing.classifier import LABELS, QueryClass, QueryClassifier
from judge_rerank.routing.judged import JudgeClassifier, asked
from judge_rerank.routing.rules import Rule, Rules
from judge_rerank.routing.trained import TrainedClassifier

__all__ = [
    "LABELS",
    "JudgeClassifier",
    "QueryClass",
    "QueryClassifier",
    "Rule",
    "Rules",
    "TrainedClassifier",
    "asked",
]
