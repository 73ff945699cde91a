"""The loopback server: HTTP/1.1 over a real socket, in a thread of its own, gone when the `with` block ends."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from tests.provider import decisions, shapes
from tests.provider.faults import Fault, Schedule, Script
from tests.provider.judging import Answer, Asked, Judge, QrelsJudge, spoilt_order
from tests.provider.meter import Bill, Count, Price, Tokens, quarter_of_bytes

_MOST_BYTES = 64 * 1024 * 1024
_LONGEST_DELAY_S = 30.0
_HTML = b"<!doctype html><title>Bad gateway</title><p>The page you asked for is not here."


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """A request as it came over the wire.

    Attributes:
        number: from 0, in order of arrival.
        at: when it was complete, on `time.monotonic()`.
        path, headers, body: header names in lower case; the body as JSON, {} where it is none.
        fault: what was done to it.
        asked: what it asked, None where it is no chat request.
    """

    number: int
    at: float
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    fault: Fault
    asked: Asked | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reply:
    status: int
    body: bytes
    headers: Mapping[str, str]
    content_type: str = "application/json"

    def wire(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {'OK' if self.status == 200 else 'Error'}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"content-type: {self.content_type}", f"content-length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


class Provider:
    """A provider for tests, used as a context manager.

    Args:
        judge: what the model says; by default it knows no document and finds none relevant.
        faults: how it misbehaves; by default not at all.
        price: what it charges, by model name; `default_price` for all others.
        count: how it counts tokens.
        cached_share: the share of each prompt that it says it had cached.
        keys: the keys it accepts; all, and none, where this is None.
        rejects: what it answers with 400, by field of the request body: `field`, `field=type` or `field:value`.
        refuses_document: whether it refuses, as a decision model, the question about a document with this text.
        refuses: what it answers, by request, where it does not take one: a status and a message.
        logprobs: whether it gives log-probabilities; where not, it ignores that they are asked for.
        keep: how many requests it remembers.
    """

    def __init__(
        self,
        judge: Judge | None = None,
        *,
        faults: Schedule | None = None,
        price: Mapping[str, Price] | None = None,
        default_price: Price | None = None,
        count: Count = quarter_of_bytes,
        cached_share: float = 0.0,
        keys: frozenset[str] | None = None,
        rejects: Mapping[str, str] | None = None,
        refuses: Callable[[Received], tuple[int, str] | None] = lambda _request: None,
        refuses_document: Callable[[str], bool] = lambda _text: False,
        logprobs: bool = True,
        keep: int = 20_000,
    ) -> None:
        self.judge: Judge = judge or QrelsJudge({})
        self.faults: Schedule = faults or Script()
        self.rejects = dict(rejects or {})
        self.refuses = refuses
        self.refuses_document = refuses_document
        self.keys = keys
        self._logprobs = logprobs
        self.bill = Bill()
        self._price, self._default_price = dict(price or {}), default_price or Price()
        self._count, self._cached_share, self._keep = count, cached_share, keep
        self._received: list[Received] = []
        self._lock = threading.Lock()
        self._number = 0
        self._in_flight = 0
        self.peak = 0
        self.connections = 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="loopback-provider", daemon=True)
        self.port = 0

    def __enter__(self) -> Provider:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the loopback provider did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def received(self) -> list[Received]:
        """The requests so far, in order of arrival."""
        with self._lock:
            return list(self._received)

    @property
    def requests(self) -> int:
        """How many requests have arrived."""
        with self._lock:
            return self._number

    def misbehave(self, *faults: Fault | None) -> None:
        """From the next request on: these faults, then none."""
        script = Script()
        script.restart(faults, at=self.requests)
        self.faults = script

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_MOST_BYTES, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; False when the connection is over."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1].partition("?")[0]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        length = int(headers.get("content-length", "0"))
        if length > _MOST_BYTES:
            return False
        request = self._record(path, headers, await reader.readexactly(length))
        try:
            return await self._act(request, writer)
        finally:
            with self._lock:
                self._in_flight -= 1

    def _record(self, path: str, headers: Mapping[str, str], raw: bytes) -> Received:
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            body = {}
        wire = shapes.chat_wire(path)
        asked = wire.ask(body, path) if wire is not None and body else None
        if asked is not None and not self._logprobs:
            asked = replace(asked, top_logprobs=0)
        with self._lock:
            number, self._number = self._number, self._number + 1
            self._in_flight += 1
            self.peak = max(self.peak, self._in_flight)
            request = Received(
                number=number,
                at=time.monotonic(),
                path=path,
                headers=headers,
                body=body,
                fault=self.faults.at(number),
                asked=asked,
            )
            if len(self._received) < self._keep:
                self._received.append(request)
        return request

    async def _act(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        fault = request.fault
        if fault.delay_s:
            await asyncio.sleep(min(fault.delay_s, _LONGEST_DELAY_S))
        if fault.kind == "reset":
            return _reset(writer)
        reply = self._reply(request)
        if fault.kind == "hang":
            await self._stop.wait()
            return False
        if fault.kind == "drop":
            return _reset(writer)
        wire = reply.wire()
        if fault.kind == "half_body":
            writer.write(wire[: -len(reply.body) // 2])
            await writer.drain()
            return False
        writer.write(wire * 2 if fault.kind == "duplicate" else wire)
        await writer.drain()
        return True

    def _reply(self, request: Received) -> _Reply:
        """The answer, charged for unless the request is turned away."""
        if request.fault.kind == "body":
            return _as_it_stands(request.fault)
        refused = self._turned_away(request)
        if refused is not None:
            return refused
        if request.asked is not None:
            body = self._chat(request, request.asked)
        elif decisions.is_decision(request.path):
            body = self._decide(request)
        else:
            body = self._embed(request) if shapes.is_embedding(request.path) else self._rerank(request)
        raw = json.dumps(body).encode()
        if request.fault.kind == "bad_json":
            return _Reply(status=200, body=raw[: len(raw) // 2] + b"...", headers={})
        if request.fault.kind == "wrong_type":
            return _Reply(status=200, body=_HTML, headers={}, content_type="text/html")
        return _Reply(status=200, body=raw, headers={})

    def _turned_away(self, request: Received) -> _Reply | None:
        wire = shapes.chat_wire(request.path)
        gemini = decisions.is_gemini(request.path, request.body)
        complain = wire.error if wire is not None else shapes.GEMINI.error if gemini else _error_plain

        def error(
            status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None
        ) -> _Reply:
            return _Reply(
                status=status, body=json.dumps(complain(status, message, code)).encode(), headers=headers or {}
            )

        other = shapes.is_embedding(request.path) or shapes.rerank_version(request.path)
        if request.asked is None and not other and not decisions.is_decision(request.path):
            return error(404, f"There is nothing at {request.path}.")
        if self.keys is not None and _key(request) not in self.keys:
            return error(401, f"Incorrect API key provided: {_key(request)}.", "invalid_api_key")
        if gemini and (wrong := decisions.check_gemini(dict(request.body))) is not None:
            return error(400, wrong)
        for field, message in self.rejects.items():
            if _has(request.body, field):
                return error(400, message, "unsupported_parameter")
        if (refused := self.refuses(request)) is not None:
            return error(*refused)
        if request.fault.kind == "status":
            fault = request.fault
            return error(fault.status, fault.message, fault.code, fault.headers)
        return None

    def _chat(self, request: Received, asked: Asked) -> dict[str, Any]:
        wire = shapes.chat_wire(request.path)
        assert wire is not None
        answer = _spoilt(self.judge(asked), request.fault)
        most = asked.max_tokens
        if most is not None and self._count(answer.text) > most:
            answer = replace(answer, text=answer.text[: most * 4], finish="length", steps=answer.steps[:most])
        read = self._count(asked.text)
        used = Tokens(input=read, output=self._count(answer.text), cached=int(read * self._cached_share))
        self.bill.charge(self._price.get(asked.model, self._default_price), used)
        told = None if request.fault.kind == "no_usage" else used
        return wire.answer(asked, answer, told, request.fault.kind == "no_choices")

    def _rerank(self, request: Received) -> Any:
        version = shapes.rerank_version(request.path)
        assert version is not None
        body = dict(request.body)
        texts = shapes.rerank_documents(body)
        scores = {index: self._score(body, text) for index, text in enumerate(texts)}
        price = self._price.get(str(body.get("model")), self._default_price)
        silent, empty = request.fault.kind == "no_usage", request.fault.kind == "no_choices"
        found = {} if empty else scores
        if request.path.startswith(shapes.BILLED_BY_TOKENS):
            read = sum(self._count(text) for text in texts) + len(texts) * self._count(str(body.get("query", "")))
            self.bill.charge(price, Tokens(input=read))
            return shapes.rerank_by_tokens(request.path, body, found, None if silent else read)
        units = -(-len(texts) // 100) or 1
        self.bill.charge(replace(price, request=price.request * units), Tokens())
        return _spoilt_results(shapes.rerank_answer(body, found, version, None if silent else units), request.fault)

    def _embed(self, request: Received) -> Any:
        """Vectors on the unit circle, the further from (1, 0) the less the judge thinks of a text."""
        texts = shapes.embedding_texts(request.body)
        vectors = [shapes.on_circle(self._score({"model": request.body.get("model")}, text)) for text in texts]
        read = sum(self._count(text) for text in texts)
        self.bill.charge(self._price.get(str(request.body.get("model")), self._default_price), Tokens(input=read))
        found = list(enumerate(vectors))
        if request.fault.kind in {"no_choices", "truncated"}:
            found = found[: 0 if request.fault.kind == "no_choices" else len(found) // 2]
        if request.fault.kind == "bad_order":
            found = [found[0], *found[:-1]]
        return shapes.embedding_answer(request.path, found, None if request.fault.kind == "no_usage" else read)

    def _decide(self, request: Received) -> Any:
        """Probabilities, levels and choices by the judge's own scores. Only what was read is charged."""
        body = dict(request.body)
        reply = decisions.answered(body, lambda text: self._score(body, text), self.refuses_document)
        read = self._count(decisions.text_of(body)) + 8 * len(body["questions"])
        self.bill.charge(self._price.get(str(body.get("model")), self._default_price), Tokens(input=read))
        if request.fault.kind == "truncated":
            kept = len(body["questions"]) // 2
            answers = reply["answers"]
            reply["answers"] = answers[:kept] if isinstance(answers, list) else dict(list(answers.items())[:kept])
        if request.fault.kind == "no_choices":
            del reply["answers"]
        told = {"input_tokens": read, "output_tokens": 0, "total_tokens": read}
        if decisions.is_gemini(request.path, body):
            if request.fault.kind == "refusal":
                reply = {"prompt_feedback": {"block_reason": "prohibited_content"}}
            return reply | ({} if request.fault.kind == "no_usage" else {"usage": decisions.gemini_usage(read)})
        reply |= {"model": body.get("model")} | ({} if request.fault.kind == "no_usage" else {"usage": told})
        return {"result": reply, "success": True, "errors": []} if "/ai/run/" in request.path else reply

    def _score(self, body: Mapping[str, Any], text: str) -> float:
        """The judge's own score of one text, from 0 to 1."""
        schema = {"type": "number", "minimum": 0, "maximum": 1000}
        prompt = f"{body.get('query', '')}\n{text}"
        asked = Asked(wire="openai", model=str(body.get("model")), system="", prompt=prompt, schema=schema)
        return float(self.judge(asked).text) / 1000


def _as_it_stands(fault: Fault) -> _Reply:
    if isinstance(fault.body, str):
        return _Reply(status=fault.status, body=fault.body.encode(), headers=fault.headers, content_type="text/html")
    return _Reply(status=fault.status, body=json.dumps(fault.body).encode(), headers=fault.headers)


def _error_plain(_status: int, message: str, _code: str | None) -> dict[str, Any]:
    return {"message": message}


def _key(request: Received) -> str:
    headers = request.headers
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    return headers.get("x-api-key") or headers.get("x-goog-api-key") or bearer


def _has(body: Mapping[str, Any], field: str) -> bool:
    """Whether the body has the field: `a`, `a=b` for an object `a` of type `b`, `a:b` for the value `b`."""
    name, sign, wanted = next((field.partition(s) for s in "=:" if s in field), (field, "", ""))
    value = body.get(name)
    if sign == "=":
        return isinstance(value, dict) and value.get("type") == wanted
    return value is not None and (not sign or str(value) == wanted)


def _spoilt(answer: Answer, fault: Fault) -> Answer:
    if fault.kind == "truncated":
        return replace(
            answer, text=answer.text[: max(1, len(answer.text) // 2)], finish="length", steps=answer.steps[:1]
        )
    if fault.kind == "refusal":
        return Answer(text="I can't help with that.", finish="refusal")
    if fault.kind == "bad_order":
        return replace(answer, text=spoilt_order(answer.text), steps=())
    return answer


def _spoilt_results(reply: dict[str, Any], fault: Fault) -> dict[str, Any]:
    """A rerank reply that stops in the middle, or repeats its first document, leaves out its last and makes one up."""
    results: list[dict[str, Any]] = reply["results"]
    if fault.kind == "truncated":
        reply["results"] = results[: len(results) // 2]
    if fault.kind == "bad_order" and results:
        reply["results"] = [results[0], *results[:-1], {"index": 999, "relevance_score": 1.0}]
    return reply


def _reset(writer: asyncio.StreamWriter) -> bool:
    """End the connection with RST, not with FIN."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False
