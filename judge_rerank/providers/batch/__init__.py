"""Batch jobs: what providers sell at half the price to those who can wait."""

from __future__ import annotations

from judge_rerank.providers.batch.api import (
    APIS,
    WINDOW_S,
    BatchApi,
    BatchRequest,
    JobProgress,
    JobTooSmall,
    api_of,
    job_failed,
    not_run,
    reply_lost,
    too_few,
)
from judge_rerank.providers.batch.backend import BatchBackend, batch_api_of, question_of
from judge_rerank.providers.batch.control import JobControl
from judge_rerank.providers.batch.http_exchange import Answered, Posted, Unanswered, answering
from judge_rerank.providers.batch.jobs import BatchJobs, BatchPauses
from judge_rerank.providers.batch.reached import reached
from judge_rerank.providers.batch.state import FILE, BatchJob, BatchState, RecordedRequest

__all__ = [
    "APIS",
    "FILE",
    "WINDOW_S",
    "Answered",
    "BatchApi",
    "BatchBackend",
    "BatchJob",
    "BatchJobs",
    "BatchPauses",
    "BatchRequest",
    "BatchState",
    "JobControl",
    "JobProgress",
    "JobTooSmall",
    "Posted",
    "RecordedRequest",
    "Unanswered",
    "answering",
    "api_of",
    "batch_api_of",
    "job_failed",
    "not_run",
    "question_of",
    "reached",
    "reply_lost",
    "too_few",
]
