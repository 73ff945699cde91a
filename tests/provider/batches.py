"""A provider with batch jobs on the loopback interface, in the shapes of OpenAI, Azure, Anthropic and Gemini."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, cast

from aiohttp import web

from tests.provider import shapes
from tests.provider.judging import Judge
from tests.provider.meter import Bill, Price, Tokens, quarter_of_bytes

Json = dict[str, Any]
Fate = Callable[[str, int], str]
"""What becomes of a request, by what it asks and how often it was asked before: "ok", "expired", "missing", or the
status of an error."""

_GOOGLE = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 500: 13, 503: 14}
_ANTHROPIC = {400: "invalid_request_error", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}


@dataclass(slots=True, eq=False)
class LoopbackJob:
    """A job that was made."""

    id: str
    wire: str
    name: str
    path: str
    requests: list[tuple[str, Json]]
    file: str = ""
    polls: int = 0
    state: str = "running"
    fates: list[str] = field(default_factory=list[str])
    answers: list[Json] = field(default_factory=list[Json])


class BatchProvider:
    """The provider, as a context manager. A job is done when it has been looked at `polls` times, unless it is held.

    Args:
        judge: what the model says.
        price: what a single request costs.
        share: what a request of a job costs of that.
        fate: what becomes of each request.
        polls: how often a job is looked at before it is done.
        keys: the keys it accepts; all where this is None.
        full: how many jobs fail because the queue is full.
        refuse: what it answers to a request that makes a job: a status and a message; None to make it.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        price: Price | None = None,
        share: float = 0.5,
        fate: Fate = lambda _asked, _before: "ok",
        polls: int = 1,
        keys: frozenset[str] | None = None,
        full: int = 0,
        refuse: tuple[int, str] | None = None,
    ) -> None:
        self.judge, self.fate, self.polls, self.keys, self.full, self.refuse = judge, fate, polls, keys, full, refuse
        self.price, self.share = price or Price(), share
        self.bill, self.direct = Bill(), Bill()
        self.jobs: list[LoopbackJob] = []
        self.created, self.go_on = threading.Event(), threading.Event()
        self.hold_upload = self.hold_create = self.bad_files = False
        self.held = False
        self.uploading = threading.Event()
        self._files: dict[str, bytes] = {}
        self._looks: dict[str, int] = {}
        self._before: dict[str, int] = {}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.go_on.set()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def uploads(self) -> list[bytes]:
        """The files of requests so far."""
        return [content for name, content in self._files.items() if name.startswith("file-")]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)

        async def start() -> web.AppRunner:
            app = web.Application(client_max_size=2**28)
            app.router.add_route("*", "/{tail:.*}", self._handle)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            return runner

        runner = self._loop.run_until_complete(start())
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        key = (
            request.headers.get("x-api-key") or request.headers.get("x-goog-api-key") or request.headers.get("api-key")
        )
        key = key or request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.keys is not None and key not in self.keys:
            return _error(401, f"Incorrect API key provided: {key}.")
        path = request.path.rstrip("/")
        if request.method == "POST" and path.endswith("/files"):
            return await self._upload(request)
        if request.method == "POST" and (path.endswith(("/batches", ":batchGenerateContent"))):
            return await self._create(request)
        if request.method == "POST" and path.endswith(("/cancel", ":cancel")):
            job = self._job(path.removesuffix("/cancel").removesuffix(":cancel"))
            self._finish(job, "cancelled")
            return web.json_response(self._shown(job))
        if request.method == "POST":
            return web.json_response(self._judged(path, await request.json(), self.direct, 1.0))
        if path.endswith("/content"):
            return web.Response(body=self._files[path.split("/")[-2]])
        if "/files/" in path:
            return web.json_response(self._looked_at(path.rpartition("/")[2]))
        if path.endswith("/results"):
            job = self._job(path.removesuffix("/results"))
            return web.Response(body=b"".join(json.dumps(line).encode() + b"\n" for line in job.answers))
        if path.endswith("/batches"):
            return web.json_response(self._listed(request))
        job = self._job(path)
        job.polls += 1
        if job.state == "running" and job.polls >= self.polls and not self.held:
            self._finish(job, "ended")
        return web.json_response(self._shown(job))

    def _looked_at(self, name: str) -> Json:
        """A file, which Azure takes a moment to look at."""
        looks = self._looks[name] = self._looks.get(name, 0) + 1
        status = "error" if self.bad_files else "pending" if looks == 1 else "processed"
        return {"id": name, "status": status, "status_details": "A line is too long." if self.bad_files else None}

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        name = f"file-{len(self._files)}"
        self._files[name] = cast("Any", form["file"]).file.read()
        self.uploading.set()
        if self.hold_upload:
            await asyncio.to_thread(self.go_on.wait)
        return web.json_response({"id": name, "object": "file"})

    async def _create(self, request: web.Request) -> web.StreamResponse:
        if self.refuse is not None:
            return _error(*self.refuse)
        path, body = request.path, await request.json()
        job_id = f"batch_{len(self.jobs)}"
        if path.endswith(":batchGenerateContent"):
            inline = body["batch"]["input_config"]["requests"]["requests"]
            asked = [(each["metadata"]["key"], each["request"]) for each in inline]
            model = path.replace(":batchGenerateContent", ":generateContent")
            job = LoopbackJob(f"batches/{job_id}", "gemini", body["batch"]["display_name"], model, asked)
        elif "requests" in body:
            asked = [(each["custom_id"], each["params"]) for each in body["requests"]]
            job = LoopbackJob(job_id, "anthropic", "", "/v1/messages", asked)
        else:
            lines = [json.loads(line) for line in self._files[body["input_file_id"]].splitlines()]
            asked = [(line["custom_id"], line["body"]) for line in lines]
            assert {line["url"] for line in lines} == {body["endpoint"]}
            assert len({line["body"]["model"] for line in lines}) == 1
            if (
                "/openai/" in path
            ):  # Azure, which takes a file once it has looked at it, whatever version it is asked by
                assert body["endpoint"] == "/chat/completions"
                assert self._looks[body["input_file_id"]] > 1
                assert (path, request.query.get("api-version")) in {
                    ("/openai/batches", "2024-10-21"),
                    ("/openai/v1/batches", None),
                }
            name = body["metadata"]["name"]
            job = LoopbackJob(job_id, "openai", name, "/v1/chat/completions", asked, file=body["input_file_id"])
        assert len({name for name, _ in job.requests}) == len(job.requests)
        self.jobs.append(job)
        if self.full:
            self.full -= 1
            job.state = "full"
        self.created.set()
        if self.hold_create:
            await asyncio.to_thread(self.go_on.wait)
        return web.json_response(self._shown(job))

    def _job(self, path: str) -> LoopbackJob:
        name = path.rpartition("/")[2]
        for job in self.jobs:
            if job.id.rpartition("/")[2] == name:
                return job
        raise web.HTTPNotFound(text=json.dumps({"error": {"message": f"No batch job {name}."}}))

    def _judged(self, path: str, body: Json, bill: Bill, share: float) -> Json:
        wire = shapes.chat_wire(path)
        assert wire is not None, path
        asked = wire.ask(body, path)
        answer = self.judge(asked)
        used = Tokens(input=quarter_of_bytes(asked.text), output=quarter_of_bytes(answer.text))
        price = Price(input=int(self.price.input * share), output=int(self.price.output * share))
        bill.charge(price, used)
        return wire.answer(asked, answer, used, False)

    def _finish(self, job: LoopbackJob, state: str) -> None:
        """Judge the requests, answer them in another order, and answer one of them twice."""
        if job.state != "running":
            return
        lines: list[Json] = []
        for name, body in job.requests:
            told = json.dumps(body, sort_keys=True)
            before = self._before[told] = self._before.get(told, -1) + 1
            fate = "expired" if state == "cancelled" and len(lines) % 2 else self.fate(told, before)
            job.fates.append(fate)
            if fate != "missing":
                lines.append(self._line(job, name, body, fate, cancelled=state == "cancelled"))
        expired = "expired" in job.fates and state != "cancelled"
        job.state = "expired" if expired else state
        if job.wire != "gemini":
            random.Random(len(self.jobs)).shuffle(lines)
            lines += lines[:1]
        job.answers = lines
        if job.wire == "openai":
            good = [line for line in lines if (line.get("response") or {}).get("status_code") == 200]
            bad = [line for line in lines if line not in good]
            self._files[f"out-{job.id}"] = b"".join(json.dumps(line).encode() + b"\n" for line in good)
            self._files[f"err-{job.id}"] = b"".join(json.dumps(line).encode() + b"\n" for line in bad)

    def _line(self, job: LoopbackJob, name: str, body: Json, fate: str, *, cancelled: bool) -> Json:
        done = fate == "ok"
        reply = self._judged(job.path, body, self.bill, self.share) if done else {}
        status = 200 if done else int(fate) if fate.isdecimal() else 0
        message = f"It went wrong with {status}."
        if job.wire == "openai":
            if fate == "expired":
                code = "batch_cancelled" if cancelled else "batch_expired"
                return {"custom_id": name, "response": None, "error": {"code": code, "message": "Too late."}}
            told = reply or {"error": {"message": message, "type": "server_error", "code": None}}
            return {"custom_id": name, "response": {"status_code": status, "body": told}, "error": None}
        if job.wire == "anthropic":
            if fate == "expired":
                return {"custom_id": name, "result": {"type": "canceled" if cancelled else "expired"}}
            error = {"type": "error", "error": {"type": _ANTHROPIC.get(status, "api_error"), "message": message}}
            result: Json = {"type": "succeeded", "message": reply} if done else {"type": "errored", "error": error}
            return {"custom_id": name, "result": result}
        if done:
            return {"metadata": {"key": name}, "response": reply}
        code = 1 if fate == "expired" else _GOOGLE.get(status, 13)
        return {"metadata": {"key": name}, "error": {"code": code, "message": message}}

    def _listed(self, request: web.Request) -> Json:
        shown = [self._shown(job) for job in reversed(self.jobs)]
        if self.jobs and self.jobs[0].wire == "gemini":
            return {"operations": shown}
        after = request.query.get("after") or request.query.get("after_id")
        ids = [str(each["id"]) for each in shown]
        start = ids.index(after) + 1 if after else 0
        page = shown[start : start + 2]
        return {"data": page, "has_more": start + 2 < len(shown), "last_id": page[-1]["id"] if page else None}

    def _shown(self, job: LoopbackJob) -> Json:
        done, failed = job.fates.count("ok"), len(job.fates) - job.fates.count("ok")
        created = 1_795_000_000 if job.wire == "openai" else "2099-11-29T07:00:00+00:00"
        if job.wire == "gemini":
            states = {"running": "RUNNING", "ended": "SUCCEEDED", "full": "FAILED"}
            told: Json = {
                "displayName": job.name,
                "state": f"BATCH_STATE_{states.get(job.state, job.state.upper())}",
                "batchStats": {"successfulRequestCount": str(done), "failedRequestCount": str(failed)},
            }
            shown: Json = {"name": job.id, "metadata": told}
            if job.state == "full":
                shown["error"] = {"code": 8, "message": "Too much is in the queue."}
            if job.answers:
                shown["response"] = {"inlinedResponses": {"inlinedResponses": job.answers}}
            return shown
        if job.wire == "anthropic":
            ended = job.state != "running"
            late = job.fates.count("expired")
            counts = {
                "processing": 0 if ended else len(job.requests),
                "succeeded": done,
                "errored": failed - late if ended else 0,
                "expired": 0 if job.state == "cancelled" else late,
                "canceled": late if job.state == "cancelled" else 0,
            }
            status = "ended" if ended else "in_progress"
            return {"id": job.id, "processing_status": status, "request_counts": counts, "created_at": created}
        states = {"running": "in_progress", "ended": "completed", "full": "failed"}
        shown = {
            "id": job.id,
            "status": states.get(job.state, job.state),
            "metadata": {"name": job.name},
            "input_file_id": job.file,
            "created_at": created,
            "request_counts": {"total": len(job.requests), "completed": done, "failed": failed},
        }
        if job.answers:
            shown |= {"output_file_id": f"out-{job.id}", "error_file_id": f"err-{job.id}"}
        if job.state == "full":
            shown["errors"] = {"data": [{"code": "token_limit_exceeded", "message": "Too much is in the queue."}]}
        return shown


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": "invalid_request_error"}}, status=status)
