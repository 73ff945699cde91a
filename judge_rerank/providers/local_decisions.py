"""Open-weight decision models in this process: Laya's, by the package of that name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from judge_rerank.core import (
    ChatReply,
    ChatRequest,
    InputError,
    ModelInfo,
    ModelUnavailable,
    ProviderUnavailable,
    RequestRejected,
    UnknownName,
)
from judge_rerank.providers import endpoint, laya_model, system_one
from judge_rerank.providers.decisions import MOST_QUESTIONS, check_own

_OWN_PARAMS = ("both_orders", "most_questions", "context_tokens")
_LOADING_PARAMS = ("revision", "device")
_MOST_TOKENS_PER_DOC = 512
_TIMEOUT_S = 600.0  # every question reads the whole text again, which takes minutes on a few cores
_QUESTIONS_AT_ONCE = 16
"""More take more memory and no less time."""
_HEAD_TOKENS = 192
"""What Laya gives a question and its options at the least."""


def runs_here(name: str, *, api_base: str | None) -> bool:
    """Whether a name means weights on this machine: `laya:FOLDER`, or `laya/NAME` where no server is named."""
    if name.startswith("laya:"):
        return True
    return name.startswith("laya/") and not api_base and not endpoint.in_environment("laya")


def open_local_decisions(spec: str, *, params: Mapping[str, Any] | None = None) -> LocalDecisions:
    """The backend of `laya/NAME` or `laya:FOLDER`.

    Args:
        spec: NAME is that of a published checkpoint (english, multilingual, typed-decisions); FOLDER holds one.
        params: `both_orders`, `most_questions` and `context_tokens`, as for other decision models; `revision` (commit,
            branch or tag of the published weights) and `device` ("cpu", "cuda").

    Raises:
        UnknownName: no checkpoint is published under that name.
        InputError: a parameter that is none of these.
        ModelUnavailable: the folder has no checkpoint.
        MissingExtra: Laya is not installed.
    """
    laya_model.require(spec)
    given = dict(params or {})
    loading = {name: given.pop(name) for name in _LOADING_PARAMS if name in given}
    unknown = sorted(given.keys() - set(_OWN_PARAMS))
    if unknown:
        raise InputError(
            f"params has {', '.join(unknown)}, which {spec} does not take. It takes "
            f"{', '.join((*_OWN_PARAMS, *_LOADING_PARAMS))}."
        )
    check_own(given, MOST_QUESTIONS)
    for name, value in loading.items():
        if not isinstance(value, str) or not value:
            raise InputError(f"params[{name!r}] is {value!r}; expected a text.")
    opened = _published if spec.startswith("laya/") else _from_folder
    return opened(spec, spec[len("laya/") :], given, loading)


def _published(spec: str, name: str, own: Mapping[str, Any], loading: Mapping[str, Any]) -> LocalDecisions:
    known = laya_model.CONTEXT_TOKENS
    if name not in known:
        hint = "laya:FOLDER runs a checkpoint of your own."
        raise UnknownName("model", spec, [f"laya/{each}" for each in known], hint)
    checkpoint = laya_model.published(name, revision=loading.get("revision"), device=loading.get("device"))
    return LocalDecisions(checkpoint, name=spec, context_tokens=known[name], public=checkpoint.public, params=own)


def _from_folder(spec: str, name: str, own: Mapping[str, Any], loading: Mapping[str, Any]) -> LocalDecisions:
    if "revision" in loading:
        raise InputError(f"params has a revision, and {spec} is a folder, which has none.")
    folder = laya_model.folder_of(Path(name))
    stat = (folder / laya_model.WEIGHTS).stat()
    return LocalDecisions(
        laya_model.Checkpoint(source=str(folder.resolve()), device=loading.get("device")),
        name=spec,
        context_tokens=_longest(folder),
        public=f"{folder.name}:{stat.st_size}:{stat.st_mtime_ns}",
        params=own,
    )


def _longest(folder: Path) -> int:
    """The context that a checkpoint says it reads."""
    try:
        config: Any = json.loads((folder / laya_model.CONFIG).read_text(encoding="utf-8"))
        return int(config.get("max_len", laya_model.CONTEXT_TOKENS["english"]))
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelUnavailable(f"{folder / laya_model.CONFIG} is not the config of a checkpoint: {error}.") from error


class LocalDecisions:
    """A decision model of Laya's in this process. Requests are answered one at a time, and cost nothing.

    The model reads the whole text again for each question, so that a group of documents takes longer than the same
    documents one at a time: it is asked one at a time unless `batch_size` says otherwise.

    Args:
        checkpoint: its weights.
        name: as it stands in rankings.
        context_tokens: what it reads at once, text and one question together.
        public: which weights these are, for cache keys.
        params: `both_orders`, `most_questions`, `context_tokens`.
    """

    def __init__(
        self,
        checkpoint: laya_model.Checkpoint,
        *,
        name: str,
        context_tokens: int,
        public: str,
        params: Mapping[str, Any],
    ) -> None:
        self._checkpoint = checkpoint
        self._laya: laya_model.Laya | None = None
        context = int(params.get("context_tokens", context_tokens))
        self._info = ModelInfo(
            name=name,
            context_tokens=context,
            concurrency=1,
            max_tokens_per_doc=min(_MOST_TOKENS_PER_DOC, context // 2),
            most_questions=int(params.get("most_questions", MOST_QUESTIONS)),
            both_orders=bool(params.get("both_orders", False)),
            timeout_s=_TIMEOUT_S,
            strategy="score",
            local=True,
            endpoint=public,
            params={"context_tokens": context},
        )

    @property
    def info(self) -> ModelInfo:
        """What is known of the model; does not load it."""
        return self._info

    def count_tokens(self, text: str) -> int:
        """Tokens in `text` by the model's own tokenizer, which loads the model if it is not.

        Raises:
            ModelUnavailable: its weights are not on this machine, or cannot be used.
        """
        return self._opened().load().count(text)

    def warm_up(self) -> None:
        """Load the model."""
        self._opened().load()

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The answers, without a price.

        Raises:
            ModelUnavailable: its weights are not on this machine, or cannot be used.
            ProviderTimeout: it took longer than the request allows.
            RequestRejected: Laya does not take the request.
        """
        name, context = self._info.name, self._info.context_tokens

        def work(model: laya_model.Loaded) -> ChatReply:
            return _answered(model, request, name, context)

        return await self._opened().run(work, request.timeout_s, model=name)

    async def aclose(self) -> None:
        """Let go of the model, which is freed when nobody else uses it. The next request loads it again."""
        self._laya = None

    def _opened(self) -> laya_model.Laya:
        self._laya = self._laya or laya_model.shared(self._checkpoint)
        return self._laya


@dataclass(slots=True)
class _Read:
    """What was answered, and what was read for it.

    Attributes:
        answers: by the name of the question.
        tokens: the text once, and each question with its options.
        cut: whether some question left too little room for the text.
    """

    answers: dict[str, Any]
    tokens: int = 0
    cut: bool = False


def _answered(model: laya_model.Loaded, request: ChatRequest, name: str, context: int) -> ChatReply:
    text = model.quoted("\n\n".join(message.content for message in request.messages))
    read = _Read(answers={})
    named = list(system_one.questions(request.questions).items())
    for start in range(0, len(named), _QUESTIONS_AT_ONCE):
        _ask(model, text, dict(named[start : start + _QUESTIONS_AT_ONCE]), read, name=name, context=context)
    return ChatReply(
        text=json.dumps(system_one.answers(read.answers, request.questions)),
        input_tokens=read.tokens,
        output_tokens=0,
        cost_usd=Decimal(0),
        model=name,
        usage={"input_tokens": read.tokens, "output_tokens": 0},
        input_cut=read.cut,
    )


def _ask(
    model: laya_model.Loaded, text: str, questions: Mapping[str, Any], read: _Read, *, name: str, context: int
) -> None:
    """Ask some of the questions, and add what comes of it."""
    head = max(_HEAD_TOKENS, context // 2)
    try:
        result: Mapping[str, Any] = model.agent.system_one(text, dict(questions), max_len=context, head_max_len=head)
    except ValueError as error:
        raise RequestRejected(f"{name} does not accept this request: {error}.", model=name, sent=False) from error
    except RuntimeError as error:
        raise ProviderUnavailable(f"{name} failed: {error}.", model=name, sent=False) from error
    usage: Mapping[str, Any] = result["usage"]
    # Options that became the same text by being cut cannot be told apart, so what was chosen among them is no answer.
    alike = system_one.as_object(usage.get("options"))
    read.answers |= {key: {} if key in alike else answer for key, answer in result["answers"].items()}
    again = len(questions) - (0 if read.tokens else 1)
    read.tokens += usage["input_tokens"] - again * (usage["state_tokens"] - usage["state_tokens_dropped"])
    read.cut = read.cut or bool(usage["truncated"])
