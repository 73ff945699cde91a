"""The wires the provider speaks: how each asks, answers and complains."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import unquote

from tests.provider.judging import Answer, Asked, Step, pieces
from tests.provider.meter import Tokens

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wire:
    """One protocol: reads a request, writes an answer or an error."""

    name: str
    ask: Callable[[Json, str], Asked]
    answer: Callable[[Asked, Answer, Tokens | None, bool], Json]
    error: Callable[[int, str, str | None], Json]


def steps(answer: Answer) -> Sequence[Step]:
    """The tokens of an answer with log-probabilities; made-up ones are near certain."""
    return answer.steps or [Step(token=piece, top={piece: -0.01, "?": -5.0}) for piece in pieces(answer.text)]


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in cast("list[Json]", content or []))


def _ask_openai(body: Json, _path: str) -> Asked:
    messages = cast("list[Json]", body["messages"])
    wanted = cast("Json", body.get("response_format") or {})
    return Asked(
        wire="openai",
        model=str(body["model"]),
        system="\n".join(_plain(m["content"]) for m in messages if m["role"] in {"system", "developer"}),
        prompt="\n".join(_plain(m["content"]) for m in messages if m["role"] not in {"system", "developer"}),
        schema=wanted.get("json_schema", {}).get("schema"),
        json_only=wanted.get("type") == "json_object",
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        top_logprobs=int(body.get("top_logprobs") or 0) if body.get("logprobs") else 0,
    )


def _answer_openai(asked: Asked, answer: Answer, used: Tokens | None, empty: bool) -> Json:
    reasons = {"stop": "stop", "length": "length", "refusal": "stop", "filter": "content_filter"}
    refused = answer.finish == "refusal"
    message = {
        "role": "assistant",
        "content": None if refused else answer.text,
        "refusal": answer.text if refused else None,
    }
    choice: Json = {"index": 0, "message": message, "finish_reason": reasons[answer.finish], "logprobs": None}
    if asked.top_logprobs and not refused:
        choice["logprobs"] = {"content": [_openai_step(step, asked.top_logprobs) for step in steps(answer)]}
    reply: Json = {
        "id": "chatcmpl-loopback",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "service_tier": "default",
        "model": asked.model,
        "choices": [] if empty else [choice],
    }
    if used is not None:
        reply["usage"] = {
            "prompt_tokens": used.input,
            "completion_tokens": used.output,
            "total_tokens": used.input + used.output,
            "prompt_tokens_details": {"cached_tokens": used.cached},
        }
    return reply


def _openai_step(step: Step, most: int) -> Json:
    top = sorted(step.top.items(), key=lambda item: -item[1])[:most]
    entries = [{"token": token, "logprob": value, "bytes": list(token.encode())} for token, value in top]
    said = {"token": step.token, "logprob": step.top.get(step.token, -9.0), "bytes": list(step.token.encode())}
    return {**said, "top_logprobs": entries}


def _error_openai(status: int, message: str, code: str | None) -> Json:
    kind = "invalid_request_error" if 400 <= status < 429 else code or "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _ask_anthropic(body: Json, path: str) -> Asked:
    wanted = cast(
        "Json", body.get("output_format") or cast("Json", body.get("output_config") or {}).get("format") or {}
    )
    choice = cast("Json", body.get("tool_choice") or {})
    tools = [tool for tool in cast("list[Json]", body.get("tools") or []) if tool.get("name") == choice.get("name")]
    return Asked(
        wire="anthropic",
        model=str(body.get("model") or _bedrock_model(path)),
        system=_plain(body.get("system", "")),
        prompt="\n".join(_plain(m["content"]) for m in cast("list[Json]", body["messages"])),
        schema=tools[0]["input_schema"] if tools else wanted.get("schema"),
        json_only=bool(tools),
        max_tokens=body.get("max_tokens"),
    )


def _answer_anthropic(asked: Asked, answer: Answer, used: Tokens | None, empty: bool) -> Json:
    reasons = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal", "filter": "refusal"}
    content: list[Json] = [{"type": "text", "text": answer.text}]
    if asked.json_only and answer.finish == "stop":
        content = [{"type": "tool_use", "id": "toolu_1", "name": "json_tool_call", "input": _json(answer.text)}]
    reply: Json = {
        "id": "msg_loopback",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [] if empty else content,
        "stop_reason": "tool_use" if content[0]["type"] == "tool_use" else reasons[answer.finish],
        "stop_sequence": None,
    }
    if used is not None:
        reply["usage"] = {
            "input_tokens": used.input - used.cached,
            "cache_read_input_tokens": used.cached,
            "cache_creation_input_tokens": 0,
            "output_tokens": used.output,
        }
    return reply


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"reply": text}


def _error_anthropic(status: int, message: str, code: str | None) -> Json:
    kinds = {
        400: "invalid_request_error",
        401: "authentication_error",
        429: "rate_limit_error",
        529: "overloaded_error",
    }
    return {"type": "error", "error": {"type": code or kinds.get(status, "api_error"), "message": message}}


def _ask_gemini(body: Json, path: str) -> Asked:
    config = cast("Json", body.get("generationConfig") or {})
    system = cast("Json", body.get("system_instruction") or body.get("systemInstruction") or {})
    lowered = {key.replace("_", "").lower(): value for key, value in config.items()}
    return Asked(
        wire="gemini",
        model=path.rsplit("/", 1)[-1].partition(":")[0],
        system=_plain(system.get("parts")),
        prompt="\n".join(_plain(turn["parts"]) for turn in cast("list[Json]", body["contents"])),
        schema=lowered.get("responsejsonschema") or lowered.get("responseschema"),
        json_only=lowered.get("responsemimetype") == "application/json",
        max_tokens=lowered.get("maxoutputtokens"),
        top_logprobs=int(lowered.get("logprobs") or 0) if lowered.get("responselogprobs") else 0,
    )


def _answer_gemini(asked: Asked, answer: Answer, used: Tokens | None, empty: bool) -> Json:
    reasons = {"stop": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY", "filter": "PROHIBITED_CONTENT"}
    candidate: Json = {"finishReason": reasons[answer.finish], "index": 0}
    if answer.finish in {"stop", "length"}:
        candidate["content"] = {"role": "model", "parts": [{"text": answer.text}]}
    if asked.top_logprobs:
        candidate["logprobsResult"] = _gemini_logprobs(answer, asked.top_logprobs)
    reply: Json = {"candidates": [] if empty else [candidate], "modelVersion": asked.model}
    if used is not None:
        reply["usageMetadata"] = {
            "promptTokenCount": used.input,
            "cachedContentTokenCount": used.cached,
            "candidatesTokenCount": used.output,
            "totalTokenCount": used.input + used.output,
        }
    return reply


def _gemini_logprobs(answer: Answer, most: int) -> Json:
    def entry(token: str, value: float) -> Json:
        return {"token": token, "tokenId": 1, "logProbability": value}

    tops = [sorted(step.top.items(), key=lambda item: -item[1])[:most] for step in steps(answer)]
    return {
        "topCandidates": [{"candidates": [entry(*item) for item in top]} for top in tops],
        "chosenCandidates": [entry(step.token, step.top.get(step.token, -9.0)) for step in steps(answer)],
    }


def _error_gemini(status: int, message: str, code: str | None) -> Json:
    names = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
    return {"error": {"code": status, "message": message, "status": code or names.get(status, "INTERNAL")}}


def _ask_ollama(body: Json, path: str) -> Asked:
    messages = cast("list[Json]", body.get("messages") or [{"role": "user", "content": body.get("prompt", "")}])
    format_ = body.get("format")
    return Asked(
        wire="ollama",
        model=str(body["model"]),
        system="\n".join(_plain(m["content"]) for m in messages if m["role"] == "system"),
        prompt="\n".join(_plain(m["content"]) for m in messages if m["role"] != "system"),
        schema=format_ if isinstance(format_, dict) else None,
        json_only=format_ == "json",
        max_tokens=cast("Json", body.get("options") or {}).get("num_predict"),
    )


def _answer_ollama(asked: Asked, answer: Answer, used: Tokens | None, empty: bool) -> Json:
    """As Ollama says it; `message` for `/api/chat`, `response` for `/api/generate`."""
    text = "" if empty else answer.text
    reply: Json = {"model": asked.model, "created_at": "2026-01-01T00:00:00Z", "response": text, "done": True}
    reply |= {"message": {"role": "assistant", "content": text}, "done_reason": answer.finish}
    return reply if used is None else {**reply, "prompt_eval_count": used.input, "eval_count": used.output}


def _error_ollama(_status: int, message: str, _code: str | None) -> Json:
    return {"error": message}


def _bedrock_model(path: str) -> str:
    return unquote(path.partition("/model/")[2].rpartition("/")[0])


def _ask_converse(body: Json, path: str) -> Asked:
    """As Amazon Bedrock's Converse API is asked; a schema is a format of the output, or that of a tool."""
    wanted = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema", {}).get("schema")
    tools = [tool["toolSpec"]["inputSchema"]["json"] for tool in body.get("toolConfig", {}).get("tools", ())]
    return Asked(
        wire="converse",
        model=_bedrock_model(path),
        system=_plain(body.get("system", "")),
        prompt="\n".join(_plain(turn["content"]) for turn in cast("list[Json]", body["messages"])),
        schema=tools[0] if tools else None if wanted is None else json.loads(wanted),
        json_only=bool(tools),
        max_tokens=body.get("inferenceConfig", {}).get("maxTokens"),
    )


def _answer_converse(asked: Asked, answer: Answer, used: Tokens | None, empty: bool) -> Json:
    reasons = {"stop": "end_turn", "length": "max_tokens", "refusal": "content_filtered", "filter": "content_filtered"}
    content: list[Json] = [{"text": answer.text}]
    if asked.json_only and answer.finish == "stop":
        content = [{"toolUse": {"toolUseId": "t1", "name": "json_tool_call", "input": _json(answer.text)}}]
    reply: Json = {
        "output": {"message": {"role": "assistant", "content": [] if empty else content}},
        "stopReason": "tool_use" if "toolUse" in content[0] else reasons[answer.finish],
        "metrics": {"latencyMs": 1},
    }
    if used is not None:
        total = used.input + used.output
        reply["usage"] = {"inputTokens": used.input, "outputTokens": used.output, "totalTokens": total}
    return reply


def _error_converse(_status: int, message: str, _code: str | None) -> Json:
    return {"message": message}


OPENAI = Wire(name="openai", ask=_ask_openai, answer=_answer_openai, error=_error_openai)
ANTHROPIC = Wire(name="anthropic", ask=_ask_anthropic, answer=_answer_anthropic, error=_error_anthropic)
GEMINI = Wire(name="gemini", ask=_ask_gemini, answer=_answer_gemini, error=_error_gemini)
OLLAMA = Wire(name="ollama", ask=_ask_ollama, answer=_answer_ollama, error=_error_ollama)
CONVERSE = Wire(name="converse", ask=_ask_converse, answer=_answer_converse, error=_error_converse)


def chat_wire(path: str) -> Wire | None:
    """The chat protocol that this path belongs to."""
    if path.endswith("/chat/completions"):
        return OPENAI
    if path.endswith(("/messages", "/invoke")):
        return ANTHROPIC
    if path.endswith("/converse"):
        return CONVERSE
    if path.endswith(("/api/chat", "/api/generate")):
        return OLLAMA
    return GEMINI if path.endswith(":generateContent") else None


Version = Literal["1", "2"]


def rerank_version(path: str) -> Version | None:
    """Which Cohere-style rerank API this path belongs to."""
    if not path.endswith("/rerank"):
        return None
    return "2" if path.endswith("/v2/rerank") else "1"


def rerank_documents(body: Json) -> list[str]:
    """The texts of a rerank request; TEI calls them texts."""
    documents = cast("list[Any]", body["documents"] if "documents" in body else body["texts"])
    return [one if isinstance(one, str) else str(one.get("text", "")) for one in documents]


def rerank_answer(body: Json, scores: Mapping[int, float], version: Version, units: int | None) -> Json:
    """A rerank reply, best first; `units` is what it says it charges for, None to leave that out."""
    best = sorted(scores, key=lambda index: (-scores[index], index))[: body.get("top_n") or len(scores)]
    reply: Json = {
        "id": "rerank-loopback",
        "results": [{"index": index, "relevance_score": scores[index]} for index in best],
        "meta": {"api_version": {"version": version}},
    }
    if body.get("return_documents"):
        texts = rerank_documents(body)
        for result in reply["results"]:
            result["document"] = {"text": texts[result["index"]]}
    if units is not None:
        reply["meta"]["billed_units"] = {"search_units": units}
    return reply


def rerank_by_tokens(path: str, body: Json, scores: Mapping[int, float], tokens: int | None) -> Any:
    """The reply of a rerank API that bills tokens or nothing, by the folder that stands before its path.

    `/voyage`, `/jina`, `/vllm` and `/infinity` say how many tokens they read; `/tei` says nothing but scores.
    """
    best = sorted(scores, key=lambda index: (-scores[index], index))
    if path.startswith("/tei/"):
        return [{"index": index, "score": scores[index]} for index in best]
    results = [{"index": index, "relevance_score": scores[index]} for index in best]
    reply: Json = {"id": "rerank-loopback", "model": body.get("model"), "object": "list"}
    reply["data" if path.startswith("/voyage/") else "results"] = results
    if tokens is not None:
        reply["usage"] = {"total_tokens": tokens}
        if path.startswith("/infinity/"):
            reply["usage"]["prompt_tokens"] = tokens
    return reply


BILLED_BY_TOKENS = ("/voyage/", "/jina/", "/vllm/", "/infinity/", "/tei/")


def is_embedding(path: str) -> bool:
    """Whether this path is that of an embedding API: OpenAI's, or Cohere's."""
    return path.endswith(("/embeddings", "/embed"))


def embedding_texts(body: Mapping[str, Any]) -> list[str]:
    """The texts of an embedding request; Cohere calls them texts."""
    return list(body["input"] if "input" in body else body["texts"])


def on_circle(score: float) -> tuple[float, float]:
    """A vector of length 1: a quarter of a circle lies between a score of 1 and one of 0."""
    angle = (1 - score) * math.pi / 2
    return math.cos(angle), math.sin(angle)


def embedding_answer(path: str, found: Sequence[tuple[int, Sequence[float]]], tokens: int | None) -> Json:
    """The vectors by index, which Cohere leaves out."""
    if path.endswith("/embed"):
        reply: Json = {"id": "embed-loopback", "embeddings": {"float": [list(vector) for _, vector in found]}}
        return reply if tokens is None else {**reply, "meta": {"billed_units": {"input_tokens": tokens}}}
    data = [{"object": "embedding", "index": index, "embedding": list(vector)} for index, vector in found]
    reply = {"object": "list", "model": "loopback", "data": data}
    return reply if tokens is None else {**reply, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
