"""Performs the rounds of strategies: the one place where a model is called."""

from __future__ import annotations

from judge_rerank.engine.attempt import ModelChannel
from judge_rerank.engine.call import CallExecutor, FallbackExecutor
from judge_rerank.engine.conformance import Run, check_strategy, drive, failing, perfect
from judge_rerank.engine.driver import Engine, Job, Progress, gives_scores, usual_latency_s
from judge_rerank.engine.event_loop import run, submit

__all__ = [
    "CallExecutor",
    "Engine",
    "FallbackExecutor",
    "Job",
    "ModelChannel",
    "Progress",
    "Run",
    "check_strategy",
    "drive",
    "failing",
    "gives_scores",
    "perfect",
    "run",
    "submit",
    "usual_latency_s",
]
