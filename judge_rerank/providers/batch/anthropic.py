"""Anthropic's message batches: the requests in the body that makes the job, the results in a file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from judge_rerank.providers.batch.api import BatchApi, BatchRequest, BatchResult, JobProgress, Phase, Sought, batch_api
from judge_rerank.providers.batch.control import JobControl, made_at, number, table, tables
from judge_rerank.providers.batch.http_exchange import Answered, Posted

_STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_CLOCKS_DIFFER_S = 120.0
_PAGES = 20


@batch_api("anthropic")
class AnthropicBatches(BatchApi):
    """Jobs at `/batches` under the address of the messages."""

    most_requests: ClassVar[int] = 100_000
    most_bytes: ClassVar[int] = 256_000_000

    def __init__(self, posted: Posted, control: JobControl) -> None:
        self._url = f"{posted.address}/batches"
        self._control = control
        self._headers = {"anthropic-version": posted.headers.get("anthropic-version", "2023-06-01")}

    @property
    def address(self) -> str:
        """Where the jobs are."""
        return self._url

    def size(self, item: BatchRequest) -> int:
        """The bytes of a request, or a little more."""
        return len(item.posted.body) + 120

    async def create(self, name: str, items: Sequence[BatchRequest], uploaded: str) -> str:  # noqa: ARG002
        """Make the job, with the beta features that any of its requests needs."""
        asked = [{"custom_id": item.custom_id, "params": json.loads(item.posted.body)} for item in items]
        betas = {item.posted.headers.get("anthropic-beta", "") for item in items} - {""}
        headers = self._headers | ({"anthropic-beta": ",".join(sorted(betas))} if betas else {})
        return str((await self._control.post(self._url, {"requests": asked}, headers=headers))["id"])

    async def find(self, sought: Sought) -> str | None:
        """The first job of so many requests that was made since then: these jobs have no names.

        That another job of as many requests was made at that time is not excluded. Its results are then of other
        requests, and whoever waits for them asks again.
        """
        page, candidates = "", list[str]()
        for _ in range(_PAGES):
            found = await self._control.get(f"{self._url}?limit=100{page}", self._headers)
            jobs = tables(found.get("data"))
            young = [job for job in jobs if made_at(job.get("created_at")) >= sought.since - _CLOCKS_DIFFER_S]
            candidates += [
                str(job["id"]) for job in young if job["id"] not in sought.known and _size(job) == sought.requests
            ]
            if not found.get("has_more") or len(young) < len(jobs):
                break
            page = f"&after_id={found.get('last_id')}"
        return candidates[-1] if candidates else None

    async def progress(self, job: str) -> JobProgress:
        """How far a job is."""
        found = await self._control.get(f"{self._url}/{job}", self._headers)
        counts = table(found.get("request_counts"))
        ended = found.get("processing_status") == "ended"
        return JobProgress(
            phase=_phase(counts) if ended else "running",
            succeeded=number(counts.get("succeeded")),
            failed=sum(number(counts.get(each)) for each in ("errored", "expired", "canceled")),
        )

    async def results(self, job: str) -> AsyncIterator[BatchResult]:
        """The lines of the file of results."""
        async for line in self._control.lines(f"{self._url}/{job}/results", self._headers):
            yield _result(line)

    async def cancel(self, job: str) -> None:
        """End a job."""
        await self._control.post(f"{self._url}/{job}/cancel", headers=self._headers)


def _phase(counts: Mapping[str, Any]) -> Phase:
    if counts.get("canceled"):
        return "cancelled"
    return "expired" if counts.get("expired") else "ended"


def _result(line: dict[str, Any]) -> BatchResult:
    name, result = str(line.get("custom_id")), table(line.get("result"))
    if result.get("type") == "succeeded":
        return BatchResult(
            custom_id=name, answered=Answered(status=200, body=json.dumps(result.get("message")).encode())
        )
    if result.get("type") in {"expired", "canceled"}:
        return BatchResult(custom_id=name, answered=None)
    error = table(result.get("error"))
    kind = (table(error.get("error")) or error).get("type")
    return BatchResult(
        custom_id=name, answered=Answered(status=_STATUSES.get(str(kind), 500), body=json.dumps(error).encode())
    )


def _size(job: Mapping[str, Any]) -> int:
    return sum(number(each) for each in table(job.get("request_counts")).values())
