"""What a provider's batch API does, whichever provider it is: make a job of requests, watch it, read its results."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from judge_rerank.core import InputError, ProviderError, ProviderTimeout, RateLimited, RequestRejected
from judge_rerank.providers.batch.control import JobControl
from judge_rerank.providers.batch.http_exchange import Answered, Posted

WINDOW_S = 24 * 3600.0
"""How long a job may take: every provider names 24 hours, and most jobs are done sooner."""

Phase = Literal["running", "ended", "failed", "cancelled", "expired"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchRequest:
    """One request of a job."""

    custom_id: str
    posted: Posted


@dataclass(frozen=True, kw_only=True, slots=True)
class JobProgress:
    """How far a job is.

    Attributes:
        phase: "running", or how it ended. One that expired or was cancelled may have results, and one that failed has
            none.
        succeeded, failed: how many of its requests, as far as the provider says.
        detail: why it failed.
        full: whether another job with the same requests may do: it was never made, or the provider's queue was full.
    """

    phase: Phase
    succeeded: int = 0
    failed: int = 0
    detail: str = ""
    full: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchResult:
    """What came of one request of a job.

    Attributes:
        custom_id: which one.
        answered: the answer; None where the request was not run, because the job expired or was cancelled.
    """

    custom_id: str
    answered: Answered | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sought:
    """A job that may have been made.

    Attributes:
        name: as this package calls it.
        upload: the file of its requests; "" where there is none.
        requests: how many.
        since: when it was made at the earliest, in seconds since 1970.
        known: the ids of jobs that it is not.
    """

    name: str
    upload: str
    requests: int
    since: float
    known: Collection[str]


class BatchApi(Protocol):
    """The batch API of a provider, for the jobs of one account at one address.

    Attributes:
        fewest_requests, most_requests, most_bytes: of one job.
        by_order: whether results may come without the names of their requests, in the order of those.
    """

    fewest_requests: ClassVar[int] = 1
    most_requests: ClassVar[int]
    most_bytes: ClassVar[int]
    by_order: ClassVar[bool] = False

    def __init__(self, posted: Posted, control: JobControl) -> None: ...

    @classmethod
    def check_setup(cls, params: Mapping[str, Any]) -> None:
        """Raise where something is missing that jobs need beside a key.

        Args:
            params: those of the model.

        Raises:
            InputError: what has to be set.
            MissingExtra: a package is not installed.
        """

    @classmethod
    def refused(cls, posted: Posted) -> Answered | None:
        """The answer to a request that a job would turn away; None where it would not, as far as is known."""

    @property
    def address(self) -> str:
        """Where the jobs are, without a key: with the model, what can go together in one job."""
        ...

    def size(self, item: BatchRequest) -> int:
        """The bytes that a request takes in a job."""
        ...

    async def upload(self, name: str, items: Sequence[BatchRequest]) -> str:  # noqa: ARG002
        """What has to be there before the job is made; what it is called, or "" where nothing has to."""
        return ""

    async def create(self, name: str, items: Sequence[BatchRequest], uploaded: str) -> str:
        """Make the job; its id."""
        ...

    async def find(self, sought: Sought) -> str | None:
        """The id of a job that may have been made."""
        ...

    async def progress(self, job: str) -> JobProgress:
        """How far a job is."""
        ...

    def results(self, job: str) -> AsyncIterator[BatchResult]:
        """What came of its requests, in any order."""
        ...

    async def cancel(self, job: str) -> None:
        """End a job. What is done by then is billed, and its results can be had."""
        ...


APIS: dict[str, type[BatchApi]] = {}
"""By LiteLLM's name of the provider."""

Api = TypeVar("Api", bound=type[BatchApi])


def batch_api(*providers: str) -> Callable[[Api], Api]:
    """A decorator that registers the batch API of providers."""

    def register(api: Api) -> Api:
        APIS.update(dict.fromkeys(providers, api))
        return api

    return register


def api_of(provider: str) -> type[BatchApi]:
    """The batch API of a provider.

    Raises:
        InputError: this package knows none of it.
    """
    for name in ("anthropic", "azure", "bedrock", "gemini", "openai"):
        import_module(f"judge_rerank.providers.batch.{name}")  # which registers itself
    if provider not in APIS:
        raise InputError(
            f"mode='batch' cannot be used with models of {provider!r}: it has no batch jobs, or none that this package "
            f"knows. Providers with batch jobs: {', '.join(sorted(APIS))}. Use mode='direct'."
        )
    return APIS[provider]


class JobTooSmall(RequestRejected):
    """A job of so few requests is not taken. One by one, they would be."""


def too_few(model: str, requests: int, fewest: int) -> JobTooSmall:
    """The error of requests that are too few for a job."""
    return JobTooSmall(
        f"{model}: a round asks {requests} of it, and its provider takes no batch job of fewer than {fewest} requests. "
        "Use batch_fallback='direct', which asks so few one by one at the full price, or give more queries at a time.",
        model=model,
        sent=False,
    )


def not_run(model: str, phase: str) -> ProviderError:
    """The error of a request that its job left undone, which costs nothing."""
    why = {"expired": "expired", "cancelled": "was cancelled"}.get(phase, "ended")
    return ProviderTimeout(
        f"{model}: the batch job {why} before this request was run. Nothing is billed for it.", model=model, sent=False
    )


def reply_lost(model: str) -> ProviderError:
    """The error of a request that the results of its job do not have, although the job is done."""
    return ProviderTimeout(f"{model}: the results of the batch job have no answer to this request.", model=model)


def job_failed(model: str, progress: JobProgress) -> ProviderError:
    """The error of every request of a job that the provider did not accept. Nothing was run."""
    kind = RateLimited if progress.full else RequestRejected
    return kind(
        f"{model}: the provider did not accept the batch job: {progress.detail or 'it gave no reason'}",
        model=model,
        status=429 if progress.full else 400,
    )
