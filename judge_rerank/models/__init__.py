"""Model files on this machine: the registry, verified downloads, locations."""

from __future__ import annotations

from judge_rerank.models.download import pull_model
from judge_rerank.models.gguf import read_head
from judge_rerank.models.known import ENGLISH, known_model, languages_of_model
from judge_rerank.models.locations import find_model, installed_models, megabytes, model_named
from judge_rerank.models.registry import DEFAULT_JUDGE, REGISTRY

__all__ = [
    "DEFAULT_JUDGE",
    "ENGLISH",
    "REGISTRY",
    "find_model",
    "installed_models",
    "known_model",
    "languages_of_model",
    "megabytes",
    "model_named",
    "pull_model",
    "read_head",
]
