"""One attempt at one request: chat, decision, rerank and embedding APIs through LiteLLM, llama.cpp here, retries."""

from __future__ import annotations

from judge_rerank.providers.backends import BACKENDS, backend
from judge_rerank.providers.batch import (
    APIS,
    FILE,
    WINDOW_S,
    Answered,
    BatchApi,
    BatchBackend,
    BatchJob,
    BatchJobs,
    BatchPauses,
    BatchRequest,
    BatchState,
    JobControl,
    JobProgress,
    Posted,
    RecordedRequest,
    Unanswered,
    answering,
    api_of,
    batch_api_of,
    job_failed,
    not_run,
    question_of,
    reached,
    reply_lost,
)
from judge_rerank.providers.concurrency import ConcurrencyLimiter
from judge_rerank.providers.factory import (
    Api,
    Transport,
    listed,
    named_by_environment,
    open_api,
    open_backend,
    open_models,
)
from judge_rerank.providers.litellm import LiteLLMBackend
from judge_rerank.providers.object_backend import ObjectBackend
from judge_rerank.providers.retry import Retrier

__all__ = [
    "APIS",
    "BACKENDS",
    "FILE",
    "WINDOW_S",
    "Answered",
    "Api",
    "BatchApi",
    "BatchBackend",
    "BatchJob",
    "BatchJobs",
    "BatchPauses",
    "BatchRequest",
    "BatchState",
    "ConcurrencyLimiter",
    "JobControl",
    "JobProgress",
    "LiteLLMBackend",
    "ObjectBackend",
    "Posted",
    "RecordedRequest",
    "Retrier",
    "Transport",
    "Unanswered",
    "answering",
    "api_of",
    "backend",
    "batch_api_of",
    "job_failed",
    "listed",
    "named_by_environment",
    "not_run",
    "open_api",
    "open_backend",
    "open_models",
    "question_of",
    "reached",
    "reply_lost",
]
