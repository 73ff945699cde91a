"""OpenAI's batch API, which others have too: a file of requests, a job, a file of results and one of errors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

from judge_rerank.providers.batch.api import BatchApi, BatchRequest, BatchResult, JobProgress, Phase, Sought, batch_api
from judge_rerank.providers.batch.control import JobControl, made_at, number, table, tables
from judge_rerank.providers.batch.http_exchange import Answered, Posted

_CHAT = "/chat/completions"
_PHASES: Mapping[str, Phase] = {
    "completed": "ended",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}
_NOT_RUN = frozenset({"batch_expired", "batch_cancelled"})
_FULL = frozenset({"token_limit_exceeded"})
_CLOCKS_DIFFER_S = 3600
_PAGES = 20


@batch_api("openai")
class OpenAIBatches(BatchApi):
    """Jobs at `/files` and `/batches` beside the address of the chat."""

    most_requests: ClassVar[int] = 50_000
    most_bytes: ClassVar[int] = 200_000_000
    endpoint: ClassVar[str] = "/v1" + _CHAT

    def __init__(self, posted: Posted, control: JobControl) -> None:
        scheme, host, path, query, _ = urlsplit(posted.url)
        self._parts = (scheme, host, self._base(path), query)
        self._control = control

    @staticmethod
    def _base(path: str) -> str:
        return path.removesuffix(_CHAT)

    @property
    def address(self) -> str:
        """Where the jobs are."""
        return urlunsplit((*self._parts[:3], "", ""))

    def _url(self, path: str, **query: str) -> str:
        asked = "&".join([*filter(None, [self._parts[3]]), *(f"{name}={value}" for name, value in query.items())])
        return urlunsplit((*self._parts[:2], self._parts[2] + path, asked, ""))

    def body(self, posted: Posted) -> object:
        """The body of a request as a job has it."""
        return json.loads(posted.body)

    def line(self, item: BatchRequest) -> bytes:
        """A request as a line of the file."""
        told = {"custom_id": item.custom_id, "method": "POST", "url": self.endpoint, "body": self.body(item.posted)}
        return json.dumps(told, ensure_ascii=False).encode() + b"\n"

    def size(self, item: BatchRequest) -> int:
        """The bytes of a line, or a little more."""
        return len(item.posted.body) + 300

    async def upload(self, name: str, items: Sequence[BatchRequest]) -> str:
        """The id of the file of requests."""
        content = b"".join(self.line(item) for item in items)

        def form() -> Any:
            from aiohttp import FormData

            fields = FormData()
            fields.add_field("purpose", "batch")
            fields.add_field("file", content, filename=f"{name}.jsonl", content_type="application/jsonl")
            return fields

        return str((await self._control.post(self._url("/files"), form=form))["id"])

    async def create(self, name: str, items: Sequence[BatchRequest], uploaded: str) -> str:  # noqa: ARG002
        """Make the job."""
        body = {
            "input_file_id": uploaded,
            "endpoint": self.endpoint,
            "completion_window": "24h",
            "metadata": {"name": name},
        }
        return str((await self._control.post(self._url("/batches"), body))["id"])

    async def find(self, sought: Sought) -> str | None:
        """The job with this name, or with this file."""
        query = {"limit": "100"}
        for _ in range(_PAGES):
            found = await self._control.get(self._url("/batches", **query))
            jobs = tables(found.get("data"))
            for job in jobs:
                named = table(job.get("metadata")).get("name") == sought.name
                if named or (sought.upload and job.get("input_file_id") == sought.upload):
                    return str(job["id"])
            if (
                not jobs
                or not found.get("has_more")
                or made_at(jobs[-1].get("created_at")) < sought.since - _CLOCKS_DIFFER_S
            ):
                return None
            query["after"] = str(jobs[-1].get("id"))
        return None

    async def progress(self, job: str) -> JobProgress:
        """How far a job is."""
        found = await self._control.get(self._url(f"/batches/{job}"))
        counts, errors = table(found.get("request_counts")), tables(table(found.get("errors")).get("data"))
        return JobProgress(
            phase=_PHASES.get(str(found.get("status")).lower(), "running"),
            succeeded=number(counts.get("completed")),
            failed=number(counts.get("failed")),
            detail=" ".join(dict.fromkeys(str(error.get("message")) for error in errors[:5])),
            full=any(error.get("code") in _FULL for error in errors),
        )

    async def results(self, job: str) -> AsyncIterator[BatchResult]:
        """The lines of both files."""
        found = await self._control.get(self._url(f"/batches/{job}"))
        for file in (found.get("output_file_id"), found.get("error_file_id")):
            if file:
                async for line in self._control.lines(self._url(f"/files/{file}/content")):
                    yield self._result(line)

    @staticmethod
    def _result(line: dict[str, Any]) -> BatchResult:
        name, response, error = str(line.get("custom_id")), table(line.get("response")), table(line.get("error"))
        if response:
            body, status = json.dumps(response.get("body")).encode(), number(response.get("status_code")) or 500
            return BatchResult(custom_id=name, answered=Answered(status=status, body=body))
        if error.get("code") in _NOT_RUN:
            return BatchResult(custom_id=name, answered=None)
        return BatchResult(custom_id=name, answered=Answered(status=500, body=json.dumps({"error": error}).encode()))

    async def cancel(self, job: str) -> None:
        """End a job."""
        await self._control.post(self._url(f"/batches/{job}/cancel"))
