"""Gemini's batch mode: the requests in the body that makes the job, the results in that of the job."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from judge_rerank.providers.batch.api import BatchApi, BatchRequest, BatchResult, JobProgress, Phase, Sought, batch_api
from judge_rerank.providers.batch.control import JobControl, number, table, tables
from judge_rerank.providers.batch.http_exchange import Answered, Posted

_PHASES: Mapping[str, Phase] = {
    "SUCCEEDED": "ended",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "EXPIRED": "expired",
}
_HTTP: Mapping[int, int] = {1: 499, 3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 13: 500, 14: 503, 16: 401}
"""The HTTP status of each of Google's codes."""
_NOT_RUN = 1
_FULL = 8
_GENERATE = ":generateContent"
_PAGES = 20


@batch_api("gemini")
class GeminiBatches(BatchApi):
    """Jobs at `batches`, made by `models/NAME:batchGenerateContent` with the requests in the body."""

    most_requests: ClassVar[int] = 50_000
    most_bytes: ClassVar[int] = 19_000_000
    by_order: ClassVar[bool] = True

    def __init__(self, posted: Posted, control: JobControl) -> None:
        self._model = posted.address.removesuffix(_GENERATE)
        self._base, _, _ = self._model.rpartition("/models/")
        self._key = urlsplit(posted.url).query
        self._control = control

    @property
    def address(self) -> str:
        """The model's address: a job is of one model."""
        return self._model

    def _url(self, path: str, query: str = "") -> str:
        asked = "&".join(filter(None, [self._key, query]))
        return f"{path}?{asked}" if asked else path

    def size(self, item: BatchRequest) -> int:
        """The bytes of a request, or a little more."""
        return len(item.posted.body) + 140

    async def create(self, name: str, items: Sequence[BatchRequest], uploaded: str) -> str:  # noqa: ARG002
        """Make the job."""
        asked = [{"request": json.loads(item.posted.body), "metadata": {"key": item.custom_id}} for item in items]
        batch = {"display_name": name, "input_config": {"requests": {"requests": asked}}}
        made = await self._control.post(self._url(f"{self._model}:batchGenerateContent"), {"batch": batch})
        return str(made["name"])

    async def find(self, sought: Sought) -> str | None:
        """The job with this name."""
        page = ""
        for _ in range(_PAGES):
            found = await self._control.get(self._url(f"{self._base}/batches", f"pageSize=100{page}"))
            for job in tables(found.get("operations")):
                if table(job.get("metadata")).get("displayName") == sought.name:
                    return str(job["name"])
            if not found.get("nextPageToken"):
                return None
            page = f"&pageToken={found['nextPageToken']}"
        return None

    async def progress(self, job: str) -> JobProgress:
        """How far a job is."""
        found = await self._control.get(self._url(f"{self._base}/{job}"))
        told, error = table(found.get("metadata")), table(found.get("error"))
        state = str(told.get("state") or "").rpartition("_STATE_")[2]
        counts = table(told.get("batchStats"))
        phase = _PHASES.get(state, "failed" if error else "running")
        return JobProgress(
            phase=phase,
            succeeded=number(counts.get("successfulRequestCount")),
            failed=number(counts.get("failedRequestCount")),
            detail=str(error.get("message") or ""),
            full=error.get("code") == _FULL,
        )

    async def results(self, job: str) -> AsyncIterator[BatchResult]:
        """The responses that stand in the job. One without the key of its request is known by its place."""
        found = await self._control.get(self._url(f"{self._base}/{job}"))
        told = table(found.get("response")) or table(table(found.get("metadata")).get("output"))
        inlined = told.get("inlinedResponses")
        for place, each in enumerate(tables(inlined) or tables(table(inlined).get("inlinedResponses"))):
            key = table(each.get("metadata")).get("key")
            yield _result(str(key) if key else f"#{place}", each)

    async def cancel(self, job: str) -> None:
        """End a job."""
        await self._control.post(self._url(f"{self._base}/{job}:cancel"))


def _result(name: str, each: Mapping[str, Any]) -> BatchResult:
    error = table(each.get("error"))
    if not error:
        return BatchResult(
            custom_id=name, answered=Answered(status=200, body=json.dumps(each.get("response")).encode())
        )
    code = number(error.get("code")) or 13
    if code == _NOT_RUN:
        return BatchResult(custom_id=name, answered=None)
    return BatchResult(
        custom_id=name, answered=Answered(status=_HTTP.get(code, 500), body=json.dumps({"error": error}).encode())
    )
