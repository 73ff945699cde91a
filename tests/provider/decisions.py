"""The decision APIs of the loopback provider: OpenAI's, Gemini's, and System One, which TypeSafe, Perplexity, vLLM and
others speak. What is asked about a document names it by the number or the letter that it has in the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

Json = dict[str, Any]
Relevance = Callable[[str], float]

_DOCUMENT = re.compile(r"^\[(\d+)\] |<document(?::\w+)? label=\"(\w+)\">\n", re.MULTILINE)


def is_openai(path: str) -> bool:
    """Whether a path is that of OpenAI's decisions; Perplexity's System One stands at the same."""
    return path.endswith("/decisions")


def is_gemini(path: str, body: Mapping[str, Any]) -> bool:
    """Whether a request is one of Gemini's, which stand at OpenAI's path and name their questions."""
    return path.endswith("/decisions") and "input" in body and isinstance(body.get("questions"), dict)


def check_gemini(body: Json) -> str | None:
    """What Gemini would not take of a request; None where it takes it all."""
    if set(body) != {"model", "input", "questions"} or "/" in body["model"] or not isinstance(body["input"], str):
        return "Invalid JSON payload received. Expected model, input and questions."
    for question in body["questions"].values():
        criteria = question.get("criteria")
        texts = [*criteria, *criteria.values()] if isinstance(criteria, dict) else criteria or []
        shape = {"noul": type(None), "choice": dict, "score": list}.get(question["type"])
        if shape is None or not isinstance(criteria, shape) or not all(isinstance(text, str) for text in texts):
            return f"Invalid value at 'questions': {question}."
    return None


def gemini_usage(read: int) -> Json:
    """The usage block of the Interactions API, which Gemini's decisions share."""
    return {
        "total_tokens": read,
        "total_input_tokens": read,
        "input_tokens_by_modality": [{"modality": "text", "tokens": read}],
        "total_cached_tokens": 0,
        "total_output_tokens": 0,
        "total_tool_use_tokens": 0,
        "total_thought_tokens": 0,
    }


def is_decision(path: str) -> bool:
    """Whether a path is that of a decision API."""
    return path.endswith(("/decisions", "/systemone")) or "/ai/run/" in path


def text_of(body: Json) -> str:
    """The text that the questions are about."""
    given = body.get("input", body.get("state", ""))
    return given if isinstance(given, str) else str(given)


def shown(body: Json) -> dict[str, str]:
    """The documents by the name that they have in the text."""
    parts = _DOCUMENT.split(text_of(body))
    return {(parts[at] or parts[at + 1]): parts[at + 2].strip() for at in range(1, len(parts), 3)}


def answered(body: Json, relevance: Relevance, refuses: Callable[[str], bool]) -> Json:
    """The answers, in the shape of the questions; a refused one is left out, or said to be refused."""
    named = shown(body)
    listed = isinstance(body["questions"], list)
    asked: Mapping[str, Json] = (
        {str(place): question for place, question in enumerate(cast("list[Json]", body["questions"]))}
        if listed
        else body["questions"]
    )
    answers: Json = {}
    for key, question in asked.items():
        about = next((name for name in re.findall(r"\[(\d+)\]", str(question["instructions"])) if name in named), None)
        if about is not None and refuses(named[about]):
            if listed:
                answers[key] = {"type": "refusal", "name": question.get("name")}
            continue
        answers[key] = _answer(question, about, named, relevance, listed=listed)
    return {"answers": list(answers.values()) if listed else answers}


def _answer(question: Json, about: str | None, named: Mapping[str, str], relevance: Relevance, *, listed: bool) -> Json:
    kind = question["type"]
    if kind in {"predicate", "noul"}:
        chance = relevance(named[about]) if about else 0.5
        return (
            {"type": kind, "name": question.get("name"), "probability": chance}
            if listed
            else {
                "type": kind,
                "noul": chance,
                "confidence": 0.9,
            }
        )
    if kind == "score":
        return _levels(question, relevance(named[about]) if about else 0.5, listed=listed)
    return _choice(question, named, relevance, listed=listed)


def _levels(question: Json, value: float, *, listed: bool) -> Json:
    words: Sequence[Any] = question["levels"] if listed else question["criteria"]
    top = len(words) - 1
    weights = [max(0.0, 1 - abs(value * top - level)) for level in range(len(words))]
    chances = [weight / sum(weights) for weight in weights]
    score = sum(level * chance for level, chance in enumerate(chances))
    if listed:
        spread: Any = [
            {"value": level, "label": words[level]["label"], "probability": chance}
            for level, chance in enumerate(chances)
        ]
        return {
            "type": "score",
            "name": question.get("name"),
            "score": score,
            "probabilities": spread,
            "confidence": 0.9,
        }
    return {
        "type": "score",
        "score": score,
        "confidence": 0.9,
        "legend": {str(level): word for level, word in enumerate(words)},
        "probabilities": {str(level): chance for level, chance in enumerate(chances)},
    }


def _choice(question: Json, named: Mapping[str, str], relevance: Relevance, *, listed: bool) -> Json:
    labels = [str(each["value"]) for each in question["choices"]] if listed else list(question["criteria"])
    weights = [0.05 if label not in named else 0.01 + relevance(named[label]) ** 2 for label in labels]
    chances = {label: weight / sum(weights) for label, weight in zip(labels, weights, strict=True)}
    best = max(labels, key=lambda label: chances[label])
    answer: Json = {"type": "choice", "choice": best, "confidence": chances[best]}
    if listed:
        spread = [{"value": label, "probability": chance} for label, chance in chances.items()]
        return {**answer, "name": question.get("name"), "probabilities": spread}
    return {**answer, "probabilities": chances}
