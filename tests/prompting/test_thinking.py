"""Thinking aloud is no answer, in whatever marks it comes; documents cannot carry the marks."""

from __future__ import annotations

import pytest

from judge_rerank.core import Failed, Order, Scores
from judge_rerank.core.backend import ChatReply
from judge_rerank.prompting.escaping import quote
from judge_rerank.prompting.tasks import task
from judge_rerank.prompting.thinking import without_thinking

TAGS = [
    *(
        "think",
        "Think",
        "THINK",
        "thinking",
        "thought",
        "thoughts",
        "reasoning",
        "reflection",
        "scratchpad",
        "scratch_pad",
    ),
    *("mm:think", "seed:think", "ant:thinking", "antThinking", "longcat_think", "inner_monologue", "chain_of_thought"),
    *("thought_process", "analysis", "cot", "|think|"),
]
MARKS = [
    *((f"<{tag}>", f"</{tag}>") for tag in TAGS),
    *(("[THINK]", "[/THINK]"), ("[think]", "[/think]"), ("[REASONING]", "[/REASONING]"), ("◁think▷", "◁/think▷")),
    *(("<think id='1'>", "</think>"), ("< think >", "< /think >"), ("<think>", "</thinking>"), ("<think>", "[/THINK]")),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|thinking_start|>", "<|thinking_end|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|start|>assistant to=self<|message|>", "<|eom|><|start|>assistant to=user<|message|>"),
    ("analysis", "assistantfinal"),
    *(
        ("Thinking...\n", "\n...done thinking.\n\n"),
        ("Thinking…\n", "\n…done thinking.\n"),
        ("🤔 Thinking...", "...done thinking."),
    ),
    *(("```thinking\n", "\n```\n"), ('<details type="reasoning" done="true"><summary>Thought</summary>', "</details>")),
]
INSIDE = ["At first sight, score: 3.", "Score: 3?", "3", '{"score": 3}', "Answer: 3\n\n3", "I rate it 3/10."]


def _labels(text: str) -> tuple[str | None, ...] | None:
    outcome = task("score").read(ChatReply(text=text), 1)
    return outcome.labels if isinstance(outcome, Scores) else None


@pytest.mark.parametrize(("opening", "closing"), MARKS)
@pytest.mark.parametrize("inside", INSIDE)
def test_what_is_thought_is_no_answer(opening: str, closing: str, inside: str) -> None:
    for answer, label in (("8", "8"), ('{"score": 8}', "8"), ("\n\nScore: 8", "8"), ("", None)):
        inside = inside if opening != "analysis" else f" {inside}"
        assert _labels(f"{opening}{inside}{closing}{answer}") == ((label,) if label else None)


@pytest.mark.parametrize(("opening", "closing"), MARKS)
def test_rankings_too(opening: str, closing: str) -> None:
    outcome = task("listwise").read(ChatReply(text=f"{opening}\n[1] > [3] > [2]{closing}[2] > [1] > [3]"), 3)
    assert isinstance(outcome, Order)
    assert outcome.order == (1, 0, 2)
    assert outcome.repairs == ("thinking removed",)


@pytest.mark.parametrize(("opening", "closing"), MARKS)
def test_thinking_without_an_end_is_no_answer(opening: str, closing: str) -> None:
    if opening != "analysis":  # without its end it is a word
        outcome = task("score").read(ChatReply(text=f"{opening}Score: 3\n\n8"), 1)
        assert isinstance(outcome, Failed)
        assert outcome.reason == "truncated"
    if closing.startswith(("<", "[", "◁")) and "details" not in closing:
        assert _labels(f"Score: 3, perhaps.\n{closing}8") == ("8",)


@pytest.mark.parametrize(
    "text",
    [
        "<think>one <think>Score: 3</think> two</think>8",
        "<think>Score: 3</think>\n<reflection>Score: 4</reflection>\n8",
        "<seed:think>3<seed:cot_budget_reflect>4</seed:cot_budget_reflect>5</seed:think>8",
        "<think/>8",
        "<think></think>8",
        "<Thought>3</Thought><Output>8</Output>",
        "<think>3</think><response>8</response>",
        "<|begin_of_thought|>3<|end_of_thought|><|begin_of_solution|>8<|end_of_solution|>",
        "<|START_THINKING|>3<|END_THINKING|><|START_RESPONSE|>8<|END_RESPONSE|>",
        "<|channel|>analysis<|message|>3<|end|><|start|>assistant<|channel|>final<|message|>8<|return|>",
    ],
)
def test_nested_empty_and_wrapped(text: str) -> None:
    assert _labels(text) == ("8",)


@pytest.mark.parametrize(
    "text",
    [
        "Score: 3? Let me see.\n\n8",
        "Score: 3\n\n8",
        "My first guess is a score of 3.\n8",
        "Thinking: Score: 3. Answer: 8",
        "Score: 3. Wait, actually 8.",
        "I'd start at score: 3 but then it's 8",
        "Initial score: 3\nFinal score: 8",
        "<unknown_tag>Score: 3</unknown_tag>8",
        "Score: 3. No: it deserves an 8.",
        "3\n\nOn reflection:\n\n8",
    ],
)
def test_prose_that_announces_one_number_and_ends_in_another_is_unreadable(text: str) -> None:
    assert _labels(text) is None


@pytest.mark.parametrize(("opening", "closing"), [mark for mark in MARKS if mark[0][0] in "<[◁"])
def test_documents_cannot_carry_the_marks(opening: str, closing: str) -> None:
    text = f"A dune. {opening}Score: 10{closing} Sand."
    quoted = quote(text)
    assert without_thinking(quoted) == quoted
    assert len(quoted) == len(text)
