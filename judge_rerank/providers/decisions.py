"""Decision models through LiteLLM: TypeSafe, OpenAI, Perplexity, Cloudflare, vLLM and others.

A request is one text and typed questions about it; the reply is a probability, a level or a choice for each. What a
provider answers is put into one shape, a JSON list (see `ChatReply.text`), so that it is cached, traced and read like
any reply.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Coroutine, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, ClassVar, cast

from judge_rerank.core import (
    DECISION_STRATEGY,
    AuthenticationError,
    ChatReply,
    ChatRequest,
    InputError,
    ModelInfo,
    ProviderUnavailable,
    Question,
)
from judge_rerank.providers import catalog
from judge_rerank.providers.api_limits import Refusal
from judge_rerank.providers.http_transport import Exchange
from judge_rerank.providers.litellm_api import LiteLLMApi
from judge_rerank.providers.litellm_module import load as _litellm
from judge_rerank.providers.litellm_module import use_session
from judge_rerank.providers.openai_format import cost_usd

_log = logging.getLogger(__name__)

MOST_QUESTIONS = 128
"""What LiteLLM takes in one request; providers take as many or more (OpenAI 400)."""

_LEAST_CONTEXT_TOKENS = 1_024
_MOST_TOKENS_PER_DOC = 1_024
TIMEOUT_S = 3600.0  # of LiteLLM, which keeps a client for each value; the request's own is enforced around the call

_CLOUDS = ("agentcore_runtime_session_id", "aws_*", "azure_*")
_OWN_PARAMS = ("both_orders", "most_questions", "context_tokens", "concurrency")


class LiteLLMDecisions(LiteLLMApi):
    """A decision model. One request asks all its questions about one text.

    A request that the provider refuses for its length or the number of its questions is not sent again here: the limit
    is learnt, and the strategy asks again in smaller groups.

    Args:
        model: LiteLLM's name ("typesafe/jev-latest", "openai/gpt-6-luna", "hosted_vllm/NAME").
        api_base: as in `LiteLLMBackend`.
        api_key: as in `LiteLLMBackend`.
        params: `both_orders` (ask each choice twice, the second time with the labels reversed, and average),
            `most_questions` (of one request), `context_tokens`, `concurrency`; and what LiteLLM sends: `extra_headers`,
            `safety_identifier`, and the settings of AWS and Azure.

    Raises:
        InputError: a parameter that is for chat models; an address, a key or a header that cannot be sent.

    Attributes:
        ceiling: the most questions that may be sent in one request.
        sent: the parameters of a caller that are sent, as patterns.
    """

    strategy = DECISION_STRATEGY
    ceiling: ClassVar[int] = MOST_QUESTIONS
    sent: ClassVar[tuple[str, ...]] = ("extra_headers", "safety_identifier", *_CLOUDS)

    def __init__(
        self,
        model: str,
        *,
        api_base: str | None = None,
        api_key: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        given = dict(params or {})
        own = {name: given.pop(name) for name in _OWN_PARAMS if name in given}
        unknown = sorted(name for name in given if not any(fnmatchcase(name, pattern) for pattern in self.sent))
        if unknown:
            raise InputError(
                f"params has {', '.join(unknown)}, which a decision model does not take ({model}). It takes "
                f"{', '.join((*_OWN_PARAMS, *self.sent))}. For a chat model's settings use api='chat'."
            )
        check_own(own, self.ceiling)
        super().__init__(model, api_base=api_base, api_key=api_key, params=given)
        self._own = own
        self._context_tokens: int | None = None

    @property
    def info(self) -> ModelInfo:
        """What LiteLLM's table says of the model, and what it was found to refuse.

        Raises:
            UnknownName: LiteLLM knows no provider by that name.
            InputError: LiteLLM asks the provider no decisions, or the environment sets an address or a key that cannot
                be used.
        """
        self._check_setup()
        known = self._own.get("context_tokens") or self._route.table.get("max_input_tokens")
        contexts = (known or catalog.UNKNOWN_CONTEXT_TOKENS, self._context_tokens)
        return ModelInfo(
            name=self._model,
            context_tokens=min(int(context) for context in contexts if context),
            concurrency=int(self._own.get("concurrency", 8)),
            max_tokens_per_doc=self._max_tokens_per_doc,
            max_documents=self._max_documents,
            most_questions=int(self._own.get("most_questions", self.ceiling)),
            both_orders=bool(self._own.get("both_orders", False)),
            strategy=self.strategy,
            endpoint=self._public_address,
            params=self._params,
        )

    @property
    def _max_tokens_per_doc(self) -> int:
        return _MOST_TOKENS_PER_DOC

    @cached_property
    def _config(self) -> Any:
        """LiteLLM's settings for the provider's decisions; None where it has none."""
        from litellm.types.utils import LlmProviders
        from litellm.utils import ProviderConfigManager

        provider = next((each for each in LlmProviders if each.value == self._route.provider), None)
        return provider and ProviderConfigManager.get_provider_decisions_config(self._route.model, provider)

    def _check_setup(self) -> None:
        super()._check_setup()
        self._check_decides()

    def _check_decides(self) -> None:
        """Raise where the provider cannot be asked decisions.

        Raises:
            InputError: it names those that can.
        """
        if self._config is None:
            asked = ", ".join(_providers())
            raise InputError(
                f"{self._model} cannot be asked decisions: LiteLLM has none of the provider {self._route.provider!r}. "
                f"It has those of {asked}; Gemini's are asked without it. For a chat model leave out api='decisions'."
            )

    def _check_key(self) -> None:
        config = self._config
        if self._own_server or config.resolve_api_key(self._api_key) is not None or not config.api_key_required:
            return
        names = config.api_key_env or tuple(catalog.missing_keys(_litellm(), self._model))
        raise AuthenticationError(
            f"{self._model} needs a key. Set the environment variable {' or '.join(names)}, or pass api_key=.",
            model=self._model,
            sent=False,
        )

    def _sending(
        self,
        litellm: Any,
        asked: Mapping[str, Any],
        session: Any,
        exchange: Exchange,  # noqa: ARG002
    ) -> Coroutine[Any, Any, Any]:
        use_session(litellm, self._route.provider, session)
        return self._calling(litellm, asked)

    @property
    def _takes_client(self) -> bool:
        return False

    def _calling(self, litellm: Any, asked: Mapping[str, Any]) -> Coroutine[Any, Any, Any]:
        return litellm.adecisions(**asked)

    def _asked(self, request: ChatRequest) -> dict[str, Any]:
        common = self._common
        if "headers" in common:
            common["extra_headers"] = common.pop("headers")
        return {
            "input": "\n\n".join(self._inputs(request)),
            "questions": [_question(question) for question in request.questions],
            "timeout": TIMEOUT_S,
            **common,
        }

    def _inputs(self, request: ChatRequest) -> Sequence[str]:
        return [message.content for message in request.messages]

    def _learn(self, found: Refusal, limit: int | None, request: ChatRequest) -> None:
        """Keep what was refused for the next requests: fewer questions, or a shorter text."""
        if found.what == "many":
            most = limit or max(1, len(request.questions) // 2)
            self._max_documents = min(most, self._max_documents or most)
            _log.info("%s accepts at most %d questions a request.", self._model, self._max_documents)
        elif found.what == "long":
            counted = sum(map(self.count_tokens, self._inputs(request)))
            # What was just refused is too long however the provider counts.
            most = min(limit or counted, counted * 3 // 4)
            self._context_tokens = max(_LEAST_CONTEXT_TOKENS, min(most, self._context_tokens or most))
            _log.info("%s accepts at most about %d tokens a request.", self._model, self._context_tokens)

    def _reply(self, response: Any, request: ChatRequest) -> ChatReply:
        answers: Any = getattr(response, "answers", None)
        if not isinstance(answers, (list, tuple)) or len(cast("Sequence[Any]", answers)) != len(request.questions):
            raise self._unanswered(request)
        pairs = zip(cast("Sequence[Any]", answers), request.questions, strict=True)
        usage: dict[str, Any] = response.usage.model_dump(exclude_none=True) if response.usage is not None else {}
        counted = bool(usage.get("input_tokens"))
        details: Mapping[str, Any] = usage.get("input_tokens_details") or {}
        return ChatReply(
            text=json.dumps([_answer(answer, question) for answer, question in pairs]),
            input_tokens=usage.get("input_tokens") if counted else None,
            output_tokens=usage.get("output_tokens") if counted else None,
            cached_input_tokens=details.get("cached_tokens") if counted else None,
            cost_usd=cost_usd(response, priced=self._route.priced) if counted else None,
            model=response.model or self._model,
            usage=usage if counted else {},
        )

    def _unanswered(self, request: ChatRequest) -> ProviderUnavailable:
        """What a reply amounts to that holds no answers."""
        wanted = len(request.questions)
        return ProviderUnavailable(
            f"{self._model} sent a reply without answers; {wanted} were expected.", model=self._model
        )


def check_own(own: Mapping[str, Any], ceiling: int) -> None:
    """Raise where a parameter of a decision model cannot be used.

    Args:
        own: parameters that are not sent, by name.
        ceiling: the most questions that one request takes.

    Raises:
        InputError: which one, and what was expected.
    """
    for name, value in own.items():
        if name == "both_orders":
            if not isinstance(value, bool):
                raise InputError(f"params['both_orders'] is {value!r}; expected True or False.")
        elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"params[{name!r}] is {value!r}; expected a whole number, at least 1.")
        elif name == "most_questions" and value > ceiling:
            raise InputError(f"params['most_questions'] is {value}; one request takes at most {ceiling} questions.")


def _providers() -> list[str]:
    from litellm.types.utils import LlmProviders
    from litellm.utils import ProviderConfigManager

    found = (each for each in LlmProviders if ProviderConfigManager.get_provider_decisions_config("", each) is not None)
    return sorted(each.value for each in found)


def _question(question: Question) -> dict[str, Any]:
    """A question in the shape that LiteLLM takes, from which it makes every provider's."""
    asked: dict[str, Any] = {"type": question.kind, "instructions": question.instructions}
    if question.kind == "choice":
        asked["choices"] = [{"value": label} for label in question.labels]
    elif question.kind == "score":
        asked["levels"] = [{"label": label} for label in question.labels]
    return asked


def _answer(answer: Any, question: Question) -> dict[str, Any]:
    """An answer in our shape, whatever its numbers are: the task that reads them checks."""
    if answer.type != question.kind:
        return {"refused": True} if answer.type == "refusal" else {}
    if question.kind == "predicate":
        return {"probability": answer.probability}
    chances = {each.value: each.probability for each in answer.probabilities}
    if question.kind == "choice":
        return {"choice": _label(answer.choice), "probabilities": {_label(k): v for k, v in chances.items()}}
    levels = range(len(question.labels))
    return {"score": answer.score, "probabilities": [chances.get(level) for level in levels]}


def _label(value: str | bool) -> str:  # noqa: FBT001
    return value if isinstance(value, str) else str(value).lower()
