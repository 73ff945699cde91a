"""Finds what in a document is written for the judge: local features, and a small trained model shipped as data."""

from __future__ import annotations

from judge_rerank.guarding.asking import Asked
from judge_rerank.guarding.features import NAMES, Text
from judge_rerank.guarding.inspecting import inspect, suspicious
from judge_rerank.guarding.model import FORMAT, MODEL, GuardModel
from judge_rerank.guarding.policies import POLICIES, Guarded, OnSuspicious

__all__ = [
    "FORMAT",
    "MODEL",
    "NAMES",
    "POLICIES",
    "Asked",
    "GuardModel",
    "Guarded",
    "OnSuspicious",
    "Text",
    "inspect",
    "suspicious",
]
