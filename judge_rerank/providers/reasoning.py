"""How a model is told not to reason before it answers. Judges do not, where the model lets one say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judge_rerank.providers.catalog import REASONING_TOKENS, Route

Rows = Mapping[str, Mapping[str, Any]]
"""A table of models, by name."""

SETTINGS = frozenset({"reasoning_effort", "thinking", "reasoning", "think", "enable_thinking"})
"""Parameters by which a caller says how much a model reasons; with one of them nothing is set here."""

MINIMAL_REASONING_TOKENS = 1_024
"""Head room for a model that is told to think as little as it can."""

_THINKING_OFF: Mapping[str, Any] = {"thinking": {"type": "disabled"}}
_OFF_BY_THINKING = frozenset({"zai", "volcengine", "moonshot"})
_ALWAYS_REASON = ("deepseek-reasoner", "deepseek-r1", "k2-thinking", "gpt-oss")


def least(rows: Rows, route: Route) -> dict[str, Any]:
    """The parameters that keep a model from reasoning, or from reasoning more than it must; none where none are known.

    What LiteLLM's table says of the model counts most: `reasoning_effort_levels`, else the flags
    `supports_none_reasoning_effort` and `supports_minimal_reasoning_effort`, also of the same model without a provider
    in front. Then what is known of a family: Gemini 2.5 Flash can do without, later ones and 2.5 Pro not quite;
    Ollama's models take `think: false`; DeepSeek, Z.ai, Volcengine and Moonshot disable `thinking`.
    """
    if any(name in route.model for name in _ALWAYS_REASON):
        return {}
    if "reasoning_effort" in route.supported:
        effort = _by_table(rows, route) or _by_family(route)
        if effort:
            return {"reasoning_effort": effort}
    reasons = bool(route.table.get("supports_reasoning"))
    if reasons and route.provider == "deepseek" and "thinking" in route.supported:
        return dict(_THINKING_OFF)
    if reasons and route.provider in _OFF_BY_THINKING:
        return {"extra_body": dict(_THINKING_OFF)}  # LiteLLM's client knows no such parameter
    if reasons and route.provider == "dashscope":
        return {"extra_body": {"enable_thinking": False}}
    return {}


def head_room(route: Route, sent: Mapping[str, Any]) -> int:
    """Tokens that a model may think before it answers, besides those of its answer.

    Args:
        route: the model.
        sent: the parameters that go along; Claude reasons only when it is asked to.
    """
    effort = sent.get("reasoning_effort")
    body: Mapping[str, Any] = sent.get("extra_body") or {}
    if effort in {"none", "disable"} or _THINKING_OFF["thinking"] in (sent.get("thinking"), body.get("thinking")):
        return 0
    if body.get("enable_thinking") is False:
        return 0
    if "claude" in route.model and not {"thinking", "reasoning_effort"} & sent.keys():
        return 0
    if effort == "minimal":
        return MINIMAL_REASONING_TOKENS
    return REASONING_TOKENS if route.table.get("supports_reasoning") or effort else 0


def _by_table(rows: Rows, route: Route) -> str | None:
    names = (str(route.table.get("key") or ""), f"{route.provider}/{route.model}", route.model)
    candidates = [rows.get(name) or {} for name in (*names, route.model.rpartition("/")[2])]
    levels = next((row["reasoning_effort_levels"] for row in candidates if row.get("reasoning_effort_levels")), None)
    if levels is not None:
        return next((effort for effort in ("none", "minimal") if effort in levels), None)
    for effort in ("none", "minimal"):
        flag = f"supports_{effort}_reasoning_effort"
        if next((row[flag] for row in candidates if row.get(flag) is not None), False):
            return effort
    return None


def _by_family(route: Route) -> str | None:
    if route.provider in {"ollama", "ollama_chat"}:
        return "none"
    if route.provider in {"gemini", "vertex_ai", "vertex_ai_beta"} and route.table.get("supports_reasoning"):
        return "none" if "2.5-flash" in route.model else "minimal"
    return None
