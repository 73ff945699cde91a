"""Amazon on the loopback interface: S3, Bedrock's batch jobs, and the models that both are about."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import escape

from aiohttp import web

from tests.provider.batches import BatchProvider, Json, LoopbackJob

ACCESS = "AKIALOOPBACK"
BUCKET = "loopback-bucket"
ROLE = "arn:aws:iam::123456789012:role/judge-batches"
SETTINGS = {
    "AWS_ACCESS_KEY_ID": ACCESS,
    "AWS_SECRET_ACCESS_KEY": "loopback-secret-0123456789",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REGION": "us-east-1",
    "AWS_S3_BUCKET_NAME": f"{BUCKET}/judgments",
    "AWS_BATCH_ROLE_ARN": ROLE,
}
"""What a user sets, besides the addresses of a loopback provider."""

_JOBS = "arn:aws:bedrock:{region}:123456789012:model-invocation-job/{number:012}"
_STATES = {
    "running": "InProgress",
    "ended": "Completed",
    "expired": "PartiallyCompleted",
    "cancelled": "Stopped",
    "full": "Failed",
}
_PATHS = {"Converse": "converse", "InvokeModel": "invoke"}


def settings(url: str) -> dict[str, str]:
    """The environment of a user whose Amazon is here."""
    return {**SETTINGS, "AWS_ENDPOINT_URL_S3": url, "AWS_ENDPOINT_URL_BEDROCK": url}


class AmazonProvider(BatchProvider):
    """The provider; arguments as for `BatchProvider`. A job is of 100 requests or more. Records have no tools where
    they are for the Converse API.

    Attributes:
        objects: what is in S3, by bucket and key.
        tokens: jobs by the token that made them.
        regions: those that were asked.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.objects: dict[str, bytes] = {}
        self.tokens: dict[str, LoopbackJob] = {}
        self.regions: set[str] = set()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        key = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", request.headers.get("authorization", ""))
        self.regions |= {key[2]} if key is not None else set()
        if self.keys is not None and (key is None or key[1] not in self.keys):
            return _error(403, "UnrecognizedClientException", "The security token in the request is invalid.")
        path = unquote(request.path)
        if path.startswith("/model/"):
            return web.json_response(self._judged(path, await request.json(), self.direct, 1.0))
        if path.startswith("/model-invocation-job"):
            return await self._about_jobs(request, path)
        return await self._s3(request, path)

    async def _s3(self, request: web.Request, path: str) -> web.StreamResponse:
        bucket = path.split("/")[1]
        if bucket != BUCKET:
            return web.Response(
                status=404, text="<Error><Code>NoSuchBucket</Code><Message>No such bucket</Message></Error>"
            )
        if request.method == "PUT":
            self.objects[path] = await request.read()
            self.uploading.set()
            return web.Response(headers={"ETag": '"loopback"'})
        if path in self.objects:
            return web.Response(body=self.objects[path])
        prefix = f"/{bucket}/{request.query['prefix']}"
        keys = [key.removeprefix(f"/{bucket}/") for key in self.objects if key.startswith(prefix)]
        listed = "".join(f"<Contents><Key>{escape(key)}</Key></Contents>" for key in keys)
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>"
        return web.Response(text=body, content_type="application/xml")

    async def _about_jobs(self, request: web.Request, path: str) -> web.StreamResponse:
        if path == "/model-invocation-job":
            return await self._submitted(await request.json())
        if path == "/model-invocation-jobs":
            named = [job for job in self.jobs if request.query["nameContains"] in job.name]
            return web.json_response({"invocationJobSummaries": [self._shown(job) for job in named]})
        job = self._job(path.removesuffix("/stop"))
        if path.endswith("/stop"):
            self._finish(job, "cancelled")
            return web.json_response({})
        job.polls += 1
        if job.state == "running" and job.polls >= self.polls and not self.held:
            self._finish(job, "ended")
        return web.json_response(self._shown(job))

    async def _submitted(self, asked: Json) -> web.StreamResponse:
        if self.refuse is not None:
            return _error(self.refuse[0], "ValidationException", self.refuse[1])
        if self.full:
            self.full -= 1
            return _error(400, "ServiceQuotaExceededException", "Too many jobs are in progress.")
        if asked["clientRequestToken"] not in self.tokens:
            self.tokens[asked["clientRequestToken"]] = self._made(asked)
        job = self.tokens[asked["clientRequestToken"]]
        self.created.set()
        if self.hold_create:
            await self._loop.run_in_executor(None, self.go_on.wait)
        return web.json_response({"jobArn": job.id})

    def _made(self, asked: Json) -> LoopbackJob:
        where = asked["inputDataConfig"]["s3InputDataConfig"]["s3Uri"].removeprefix("s3:/")
        records = [json.loads(line) for line in self.objects[where].splitlines()]
        assert len(records) >= 100
        assert asked["roleArn"] == ROLE
        api = _PATHS[asked["modelInvocationType"]]
        assert api == "invoke" or not any("toolConfig" in record["modelInput"] for record in records)
        requests = [(record["recordId"], record["modelInput"]) for record in records]
        path = f"/model/{asked['modelId']}/{api}"
        (region,) = self.regions
        name = _JOBS.format(region=region, number=len(self.jobs))
        job = LoopbackJob(name, "bedrock", asked["jobName"], path, requests, file=where)
        self.jobs.append(job)
        return job

    def _finish(self, job: LoopbackJob, state: str) -> None:
        super()._finish(job, state)
        folder = f"{job.file.rpartition('/')[0]}/results/{job.id.rpartition('/')[2]}"
        lines = [json.dumps(line) for line in job.answers if line]
        self.objects[f"{folder}/requests.jsonl.out"] = "\n".join(lines).encode()
        self.objects[f"{folder}/manifest.json.out"] = json.dumps({"totalRecordCount": len(job.requests)}).encode()

    def _line(self, job: LoopbackJob, name: str, body: Json, fate: str, *, cancelled: bool) -> Json:
        if fate == "expired":
            return {}
        line: Json = {"recordId": name, "modelInput": body}
        if fate == "ok":
            return line | {"modelOutput": self._judged(job.path, body, self.bill, self.share)}
        return line | {"error": {"errorCode": int(fate), "errorMessage": f"It went wrong with {fate}."}}

    def _shown(self, job: LoopbackJob) -> Json:
        folder = f"s3:/{job.file.rpartition('/')[0]}/results/"
        return {
            "jobArn": job.id,
            "jobName": job.name,
            "status": _STATES[job.state],
            "roleArn": ROLE,
            "modelId": job.path.split("/")[2],
            "submitTime": "2026-11-29T11:00:00Z",
            "inputDataConfig": {"s3InputDataConfig": {"s3Uri": f"s3:/{job.file}"}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": folder}},
            "totalRecordCount": len(job.requests),
            "successRecordCount": job.fates.count("ok"),
            "errorRecordCount": sum(fate.isdecimal() for fate in job.fates),
        }


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status, headers={"x-amzn-ErrorType": code})
