"""Performs the rounds of strategies: the one place where a model is called."""

from __future__ import annotations

from judge_rerank.engine.batch import Ways, batched
from judge_rerank.engine.channels import ChannelSettings, ModelChannels
from judge_rerank.engine.conformance import Run, check_strategy, drive, failing, perfect
from judge_rerank.engine.driver import Engine
from judge_rerank.engine.estimates import gives_scores, usual_latency_s
from judge_rerank.engine.event_loop import in_thread, run, submit
from judge_rerank.engine.job import BatchFallback, Job, Mode, OnExhausted, Progress, RankKeywords, RankOptions
from judge_rerank.engine.many import OnError, known_on_error, one_by_one, run_many
from judge_rerank.engine.throughput import Bound, Duration, RateLimits, least_duration

__all__ = [
    "BatchFallback",
    "Bound",
    "ChannelSettings",
    "Duration",
    "Engine",
    "Job",
    "Mode",
    "ModelChannels",
    "OnError",
    "OnExhausted",
    "Progress",
    "RankKeywords",
    "RankOptions",
    "RateLimits",
    "Run",
    "Ways",
    "batched",
    "check_strategy",
    "drive",
    "failing",
    "gives_scores",
    "in_thread",
    "known_on_error",
    "least_duration",
    "one_by_one",
    "perfect",
    "run",
    "run_many",
    "submit",
    "usual_latency_s",
]
