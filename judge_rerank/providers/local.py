"""The embedded judge: a GGUF model run by llama.cpp in this process."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from judge_rerank.core import ChatReply, ChatRequest, InputError, Message, ModelInfo, ModelUnavailable
from judge_rerank.models import DEFAULT_JUDGE, find_model, installed_models, model_named, read_head
from judge_rerank.providers import control_tokens, llama_format, llamacpp

CONTEXT_TOKENS = 8192
_MAX_TOKENS_PER_DOC = 512
_TIMEOUT_S = 600.0  # a long prompt on a few cores takes minutes, and nobody else is waiting

_TOP_LOGPROBS = 256
"""Tokens whose log-probability is reported. Those that come after have next to none."""

_WORTH_PROBING = 1e-3
"""The least probability of a label that begins another ("1" of "10") at which it is asked how the label goes on."""

Ask = Callable[[dict[str, Any]], dict[str, Any]]
"""Sends a request body, returns the choice that comes back."""


def open_local(spec: str, *, params: Mapping[str, Any] | None = None) -> LocalBackend:
    """The backend of `local`, `local/NAME` or `local:PATH`.

    Args:
        spec: `local` is the default judge; NAME is in the registry; PATH is a GGUF file.
        params: fields of every request, as llama.cpp's server takes them; and `context_tokens` and `threads`.

    Raises:
        UnknownName: the registry has no such model.
        ModelUnavailable: the model is not on this machine; the message says how to get it.
        MissingExtra: llama.cpp is not installed.
    """
    llamacpp.require()
    name = spec.strip().removeprefix("local")
    settings = dict(params or {})
    context_tokens = _whole(settings.pop("context_tokens", CONTEXT_TOKENS), "context_tokens")
    threads = settings.pop("threads", None)
    if name.startswith(":"):
        path, name = find_model(Path(name[1:])), spec
    else:
        name = name.removeprefix("/") or DEFAULT_JUDGE
        if model_named(name).task != "judge":
            raise InputError(f"{name!r} is an embedding model, which cannot judge. Use local/{DEFAULT_JUDGE}.")
        path, name = _found(name, named=spec.strip() != "local"), f"local/{name}"
    return LocalBackend(
        path,
        name=name,
        context_tokens=context_tokens,
        threads=None if threads is None else _whole(threads, "threads"),
        params=settings,
    )


class LocalBackend:
    """A GGUF model in this process.

    It is loaded when it is first needed, in a thread, and shared with every other backend of the same file and
    settings. Requests are answered one at a time; the part of a prompt that is the same as in the request before costs
    nothing, so static text belongs first, then the query, then the document.

    Log-probabilities are exact for the arithmetic done, but that depends on how much of the prompt was there already:
    the same request can come out different in the second decimal after another one.

    Args:
        path: the GGUF file.
        name: as it stands in rankings; the file's name by default.
        context_tokens: prompt and reply together; cut to what the model was trained on.
        threads: by default one for each physical core, or what JUDGE_RERANK_THREADS says.
        params: fields of every request, as llama.cpp's server takes them.

    Raises:
        ModelUnavailable: the file cannot be read, or is not GGUF.
        MissingExtra: llama.cpp is not installed.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        context_tokens: int = CONTEXT_TOKENS,
        threads: int | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        llamacpp.require()
        self._path = Path(path).expanduser()
        head = read_head(self._path)
        self._threads = threads or llamacpp.default_threads()
        self._params = dict(params or {})
        self._control = control_tokens.any_of(head.control_tokens)
        self._llama: llamacpp.Llama | None = None
        self._info = ModelInfo(
            name=name or f"local:{self._path.name}",
            context_tokens=min(context_tokens, head.context_tokens or context_tokens),
            logprobs=True,
            concurrency=1,
            max_tokens_per_doc=_MAX_TOKENS_PER_DOC,
            timeout_s=_TIMEOUT_S,
            strategy="binary",
            local=True,
            endpoint=f"{self._path.name}:{self._path.stat().st_size}:{self._path.stat().st_mtime_ns}",
            params=self._params,
        )

    @property
    def info(self) -> ModelInfo:
        """What is known of the model; does not load it."""
        return self._info

    def count_tokens(self, text: str) -> int:
        """Tokens in `text` by the model's own tokenizer, which loads the model if it is not."""
        return self._opened().count_tokens(self._quoted(text))

    def warm_up(self) -> None:
        """Load the model."""
        self._opened().count_tokens("")

    async def complete(self, request: ChatRequest) -> ChatReply:
        """One answer, without a price. See `llm.base.Backend`."""
        body, name = self._body(request), self._info.name

        def work(server: llamacpp.Server) -> ChatReply:
            def ask(body: dict[str, Any]) -> dict[str, Any]:
                return llama_format.send(server, body, name)

            return _labelled(ask, body, request.labels, name) if request.labels else llama_format.reply(ask(body), name)

        return await self._opened().run(work, request.timeout_s, model=name)

    async def aclose(self) -> None:
        """Let go of the model, which is freed when nobody else uses it. The next request loads it again."""
        self._llama = None

    def _opened(self) -> llamacpp.Llama:
        self._llama = self._llama or llamacpp.shared(
            self._path, context_tokens=self._info.context_tokens, threads=self._threads
        )
        return self._llama

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        """The request as llama.cpp's server takes it. There is never a grammar beside labels: it would hide that the
        model was about to say something else."""
        body: dict[str, Any] = {
            "messages": [self._message(message) for message in request.messages],
            "max_tokens": request.max_output_tokens,
            "temperature": request.temperature,
            "chat_template_kwargs": {"enable_thinking": False},
        }
        if request.seed is not None:
            body["seed"] = request.seed
        if request.labels:
            body |= {"logprobs": True, "top_logprobs": _TOP_LOGPROBS}
        elif request.schema is not None:
            schema = {"name": request.schema.name, "schema": dict(request.schema.schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body | self._params

    def _message(self, message: Message) -> dict[str, str]:
        return {"role": message.role, "content": self._quoted(message.content)}

    def _quoted(self, text: str) -> str:
        return control_tokens.quoted(text, self._control)


def _labelled(ask: Ask, body: dict[str, Any], labels: tuple[str, ...], model: str) -> ChatReply:
    """A one-word answer with the probabilities of all that it could have been.

    One token is enough where it is a whole label. Otherwise the model writes on, which costs next to nothing, since
    the prompt is there already.
    """
    openings = {label for label in labels if any(other != label and other.startswith(label) for other in labels)}
    first = ask(body | {"max_tokens": 1})
    branches = llama_format.branches(first)
    if _plain(llama_format.text(first)) in {_plain(label) for label in labels} - openings:
        reply = llama_format.reply(first | {"finish_reason": "stop"}, model)
    else:
        written = ask(body)
        branches = llama_format.branches(written) | branches
        cached = first["usage"].get("prompt_tokens_details")
        reply = llama_format.reply(written | {"usage": written["usage"] | {"prompt_tokens_details": cached}}, model)
    for opening in sorted(openings - branches.keys()):
        if branches.get("", {}).get(opening, -math.inf) >= math.log(_WORTH_PROBING):
            said = {"role": "assistant", "content": opening}
            probe = ask(body | {"max_tokens": 1, "messages": [*body["messages"], said]})
            branches[opening] = llama_format.branches(probe).get("", {})
    return replace(reply, branches=branches)


def _plain(text: str | None) -> str:
    return (text or "").strip().casefold()


def _found(name: str, *, named: bool) -> Path:
    """Where a judge of the registry is. For a plain `local` the message speaks of the others that are here."""
    try:
        return find_model(name)
    except ModelUnavailable as error:
        others = [other for other in installed_models() if model_named(other).task == "judge"]
        if named or not others:
            raise
        raise ModelUnavailable(
            f"{error}. What is here ({', '.join(f'local/{other}' for other in others)}) is used only by its name, "
            "because it does not judge as well."
        ) from error


def _whole(value: object, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise InputError(f"{name} must be a whole number from 1, not {value!r}.")
