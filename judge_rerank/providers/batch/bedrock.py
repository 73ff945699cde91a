"""Amazon Bedrock's batch inference: a file of requests in S3, a job that runs as a role, and files of results.

Requests are taken down as LiteLLM makes them for the model, and replies are read as it reads them: by Bedrock's
Converse API, or by the model's own (`bedrock/invoke/...`). A job takes either.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from judge_rerank.core import RequestRejected
from judge_rerank.providers.batch.api import (
    BatchApi,
    BatchRequest,
    BatchResult,
    JobProgress,
    Phase,
    Sought,
    batch_api,
)
from judge_rerank.providers.batch.aws import Aws, check_boto3, check_params, folder, role
from judge_rerank.providers.batch.control import JobControl, number, table, tables
from judge_rerank.providers.batch.http_exchange import Answered, Posted

_PHASES: Mapping[str, Phase] = {
    "Completed": "ended",
    "PartiallyCompleted": "expired",
    "Expired": "expired",
    "Failed": "failed",
    "Stopped": "cancelled",
}
_CALLS: Mapping[str, str] = {"converse": "Converse", "invoke": "InvokeModel"}
_MODEL = re.compile(r"/model/(.+)/(converse|invoke)$")
_HOST = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com")
_SIGNED = re.compile(r"Credential=[^/]+/\d+/([a-z0-9-]+)/")
_ARN = re.compile(r"arn:[^:]+:bedrock:([a-z0-9-]+):")
"""What names a region: the address of the model, the signature of a request, and the id of a job."""
_CLOCKS_DIFFER_S = 3600
_INPUT = "requests.jsonl"


@batch_api("bedrock")
class BedrockBatches(BatchApi):
    """Jobs of one model, with their files under their names in the folder in S3.

    How many requests a job may have are the quotas that accounts begin with. A file may be five times as large as here,
    where it is made in memory.
    """

    fewest_requests: ClassVar[int] = 100
    most_requests: ClassVar[int] = 50_000
    most_bytes: ClassVar[int] = 200_000_000

    def __init__(self, posted: Posted, control: JobControl) -> None:
        self._posted, self._control = posted, control
        self._aws = Aws(control)

    @classmethod
    def check_setup(cls, params: Mapping[str, Any]) -> None:
        """Raise unless boto3 is there, and the environment says the folder and the role."""
        check_boto3()
        check_params(params)
        folder()
        role()

    @classmethod
    def refused(cls, posted: Posted) -> Answered | None:
        """Jobs of the Converse API take no tools, by which LiteLLM holds most models to a schema."""
        if not posted.address.endswith("/converse") or "toolConfig" not in json.loads(posted.body):
            return None
        told = {"message": "A batch job of the Converse API takes no tools, so response_format cannot be used."}
        return Answered(status=400, body=json.dumps(told).encode())

    @property
    def address(self) -> str:
        """The model's address, and how it is asked."""
        return self._posted.address

    @property
    def _region(self) -> str | None:
        """Where the model is; None where boto3 has to know."""
        signed = self._posted.headers.get("authorization", "")
        found = _HOST.match(urlsplit(self._posted.url).netloc) or _SIGNED.search(signed)
        return found[1] if found else os.environ.get("AWS_REGION_NAME") or os.environ.get("AWS_REGION") or None

    def _line(self, item: BatchRequest) -> bytes:
        told = {"recordId": item.custom_id, "modelInput": json.loads(item.posted.body)}
        return json.dumps(told, ensure_ascii=False).encode() + b"\n"

    def size(self, item: BatchRequest) -> int:
        """The bytes of a line, or a little more."""
        return len(item.posted.body) + 120

    async def upload(self, name: str, items: Sequence[BatchRequest]) -> str:
        """The address of the file of requests."""
        where, key = folder(), f"{name}/{_INPUT}"
        await self._aws.write(self._region, where, key, b"".join(self._line(item) for item in items))
        return where.uri(key)

    async def create(self, name: str, items: Sequence[BatchRequest], uploaded: str) -> str:  # noqa: ARG002
        """Make the job. Amazon makes one with the same token once, so that boto3 may ask again."""
        found = _MODEL.search(self.address)
        if found is None:
            raise RequestRejected(f"{self._control.model}: {self.address} names no model.", sent=False)
        asked = {
            "jobName": name,
            "clientRequestToken": name,
            "roleArn": role(),
            "modelId": unquote(found[1]),
            "modelInvocationType": _CALLS[found[2]],
            "inputDataConfig": {"s3InputDataConfig": {"s3InputFormat": "JSONL", "s3Uri": uploaded}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"{uploaded.removesuffix(_INPUT)}results/"}},
            "timeoutDurationInHours": 24,
        }
        return str((await self._ask(self._region, "create_model_invocation_job", asked))["jobArn"])

    async def find(self, sought: Sought) -> str | None:
        """The job with this name."""
        since = datetime.fromtimestamp(sought.since - _CLOCKS_DIFFER_S, UTC)
        asked = {"nameContains": sought.name, "submitTimeAfter": since}
        found = await self._ask(self._region, "list_model_invocation_jobs", asked)
        jobs = tables(found.get("invocationJobSummaries"))
        return next((str(job["jobArn"]) for job in jobs if job.get("jobName") == sought.name), None)

    async def _ask(self, region: str | None, operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        return table(await self._aws.ask("bedrock", region, lambda bedrock: getattr(bedrock, operation)(**asked)))

    async def _job(self, job: str) -> dict[str, Any]:
        return await self._ask(_region_of(job), "get_model_invocation_job", {"jobIdentifier": job})

    async def progress(self, job: str) -> JobProgress:
        """How far a job is."""
        found = await self._job(job)
        return JobProgress(
            phase=_PHASES.get(str(found.get("status")), "running"),
            succeeded=number(found.get("successRecordCount")),
            failed=number(found.get("errorRecordCount")),
            detail=str(found.get("message") or ""),
        )

    async def results(self, job: str) -> AsyncIterator[BatchResult]:
        """The lines of the files of results."""
        configured = table((await self._job(job)).get("outputDataConfig"))
        where = str(table(configured.get("s3OutputDataConfig")).get("s3Uri"))
        for line in await self._aws.lines(_region_of(job), where, f"{_INPUT}.out"):
            yield _result(line)

    async def cancel(self, job: str) -> None:
        """End a job."""
        await self._ask(_region_of(job), "stop_model_invocation_job", {"jobIdentifier": job})


def _region_of(job: str) -> str | None:
    found = _ARN.match(job)
    return found[1] if found else None


def _result(line: Mapping[str, Any]) -> BatchResult:
    name, error = str(line.get("recordId")), table(line.get("error"))
    if not error:
        return BatchResult(
            custom_id=name, answered=Answered(status=200, body=json.dumps(line.get("modelOutput")).encode())
        )
    status, message = number(error.get("errorCode")) or 500, error.get("errorMessage") or error
    return BatchResult(custom_id=name, answered=Answered(status=status, body=json.dumps({"message": message}).encode()))
