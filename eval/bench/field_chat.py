"""The field's cases of chat providers: what they refuse, hide, cut off and count."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from importlib import import_module
from typing import Any

from field_cases import DOCS, QUERY, FellShort, case, need, need_whole
from field_serving import AZURE, DEAREST, GRADES, OLLAMA, OPENAI, PATHS, VLLM, judging

from judge_rerank import Budget
from tests.provider import Fault, Provider, QrelsJudge, Received

# Short context

LONG = "The dune at the edge of the desert moves a little every year. "
MODELS = (OLLAMA, "ollama_chat/llama3.1", VLLM, OPENAI, "openai/some-server")


def _cut(read: int, model: str) -> Fault:
    message = {"role": "assistant", "content": '{"ranking": [2, 1, 3]}'}
    if model.startswith("ollama"):
        body = {"model": "m", "done": True, "done_reason": "stop", "message": message, "response": message["content"]}
        return Fault.says({**body, "prompt_eval_count": read, "eval_count": 5})
    usage = {"prompt_tokens": read, "completion_tokens": 5, "total_tokens": read + 5}
    return Fault.says({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage})


@case(
    "short context",
    *((model, read, words) for model in MODELS for read, words in ((4096, 530), (2048, 300), (8192, 1100))),
)
def a_prompt_that_was_cut(given: tuple[str, int, int]) -> None:
    model, read, sentences = given
    with Provider() as provider:
        provider.misbehave(*[_cut(read, model)] * 4)
        base = {} if not model.startswith("ollama") else {"api_base": provider.url}
        options = {"params": {"context_tokens": 131_072}, "max_tokens_per_doc": 100_000, **base}
        with judging(provider, model, **options) as judge:
            ranking = judge.rerank(QUERY, [LONG * sentences, *DOCS[1:]], strategy="listwise")
        sent = [each.body.get("options", {}).get("num_ctx", 0) for each in provider.received]
    need_whole(ranking, 3)
    asked_for = model.startswith("ollama") and sent[0] * 4 >= len(LONG) * sentences
    need(not model.startswith("ollama") or asked_for, f"num_ctx is {sent[0]}")
    need(ranking.status == "partial", f"{read} tokens were read, and the ranking is {ranking.status}")


# Content filters

AZURE_SAYS = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
FILTERS: tuple[tuple[Any, ...], ...] = (
    (400, AZURE_SAYS, "content_filter"),
    (400, "Rejected by our safety system.", "content_policy_violation"),
    (400, "Invalid prompt: your prompt was flagged as potentially violating our usage policy.", "invalid_prompt"),
    (400, "Input data may contain inappropriate content.", "data_inspection_failed"),
    (400, "Content Exists Risk", "invalid_request_error"),
    (403, "Your input was flagged by moderation", "flagged"),
    (400, "Output blocked by content filtering policy", None),
    (400, "Guardrail was enforced.", "guardrail_violation"),
    (451, "The request was blocked by the content filter", "content_filter"),
    (422, "prompt violates our content policy", "content_policy_violation"),
)
STRATEGIES = (
    "listwise(window_size=4, stride=2)",
    "listwise",
    "score",
    "score(batch_size=4)",
    "binary",
    "blitz",
    "joint",
)
TWELVE = [f"passage number {n:02}" for n in range(12)]


@case(
    "content filter",
    *((FILTERS[0], OPENAI, each) for each in STRATEGIES),
    *((each, OPENAI, STRATEGIES[0]) for each in FILTERS),
    *((FILTERS[0], each, STRATEGIES[0]) for each in (AZURE, VLLM, *PATHS)),
)
def one_of_twelve(given: tuple[tuple[Any, ...], str, str]) -> None:
    said, model, strategy = given

    def refuses(request: Received) -> Any:
        return said if "number 04" in json.dumps(request.body) else None

    with Provider(QrelsJudge({text: n % 4 for n, text in enumerate(TWELVE)}), refuses=refuses) as provider:
        options = {"params": {"context_tokens": 32_768}}
        with judging(provider, model, **options) as judge:
            ranking = judge.rerank(QUERY, TWELVE, strategy=strategy)
            pairs = [(QUERY, TWELVE[:4]), (QUERY, TWELVE[4:8]), (QUERY, TWELVE[8:])]
            many = judge.rerank_many(pairs, strategy=strategy)
    need_whole(ranking, 12)
    need(ranking.integrity.unjudged == (4,), f"unjudged are {ranking.integrity.unjudged}: {ranking.reasons}")
    need(ranking.status == "partial", ranking.status)
    need([each.status for each in many] == ["complete", "partial", "complete"], f"{[each.status for each in many]}")


# Other scripts

SCRIPTS = {
    "Georgian": "დიუნა დაწერა ფრენკ ჰერბერტმა. ",
    "Telugu": "డూన్ నవలను ఫ్రాంక్ హెర్బర్ట్ రాశారు. ",
    "Tamil": "டூன் நாவலை பிராங்க் ஹெர்பர்ட் எழுதினார். ",
    "Malayalam": "ഡ്യൂൺ എഴുതിയത് ഫ്രാങ്ക് ഹെർബെർട്ട് ആണ്. ",
    "Amharic": "ዱን የጻፈው ፍራንክ ኸርበርት ነው። ",
    "Burmese": "ဖရန့်ခ် ဟာဘတ် ရေးခဲ့သည်။ ",
    "Khmer": "ហ្វ្រង់ ហឺប៊ើត បាននិពន្ធ។ ",
    "Chinese": "《沙丘》由弗兰克·赫伯特所著。",
    "Arabic": "كتب فرانك هربرت رواية الكثيب. ",
    "emoji": "🏜️👨‍👩‍👧‍👦🪱📖 ",
    "combining marks": "Z̷͎̈a̴͚͝l̶̙͠g̵̱͘o̷̼͝ ",
    "private use": "\ue000\ue001\U000f0000 ",
    "English": "Frank Herbert wrote Dune. ",
}
COUNTS: Mapping[str, Callable[[str], int]] = {
    "a token a byte": lambda text: len(text.encode()),
    "nine tenths": lambda text: -(-9 * len(text.encode()) // 10),
}


@case(
    "other scripts",
    *(
        (script, count, model)
        for script in SCRIPTS
        for count in COUNTS
        for model in (VLLM, OPENAI, "openai/some-small-model")
    ),
)
def no_bill_above_its_reservation(given: tuple[str, str, str]) -> None:
    script, count, model = given
    docs = [f"{n} {SCRIPTS[script] * 12}" for n in range(6)]
    counting = COUNTS[count]
    if model == OPENAI:  # its tokenizer is known
        counting = _as_openai_counts
    judged = QrelsJudge({text: n % 4 for n, text in enumerate(docs)})
    with Provider(judged, count=counting, default_price=DEAREST) as provider:
        with judging(provider, model, budget=Budget(usd="0.02"), params={"context_tokens": 32_768}) as judge:
            ranking = judge.rerank(SCRIPTS[script], docs, strategy="listwise(window_size=3, stride=2)")
        billed = provider.bill.usd
    need(billed <= Decimal("0.02"), f"billed ${billed} under a cap of $0.02")
    cost = ranking.usage.cost_usd
    need(cost is not None and billed <= cost, f"says {cost}, billed {billed}")
    need(not any("above" in reason or "stopped" in reason for reason in ranking.reasons), f"{ranking.reasons}")


def _as_openai_counts(text: str) -> int:
    """With the tokenizer of its models, which is in LiteLLM's own folder."""
    litellm: Any = import_module("litellm")
    return int(litellm.token_counter(model="gpt-4.1-mini", text=text))


# Features

REFUSALS: tuple[tuple[str, str], ...] = (
    (
        "max_tokens",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    ),
    ("max_tokens", "Unrecognized request argument supplied: max_tokens"),
    (
        "temperature",
        "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
    ),
    ("temperature", "`temperature` is deprecated for this model."),
    ("logprobs", "'logprobs' is not supported by this model"),
    ("logprobs", "This model does not support logprobs."),
    ("response_format", "'response_format' of type 'json_schema' is not supported with this model."),
    ("response_format", "This response_format type is unavailable now"),
    ("seed", "Unknown parameter: seed"),
    ("seed", "property 'seed' is unsupported"),
    ("reasoning_effort", "Unrecognized request argument supplied: reasoning_effort"),
    ("top_logprobs", "top_logprobs: Extra inputs are not permitted"),
)


@case(
    "features",
    *(
        (field, said, status, model)
        for field, said in REFUSALS
        for status in (400, 422)
        for model in ("openai/a-name-that-no-table-knows", VLLM, OPENAI)
    ),
)
def asked_once_more_the_other_way(given: tuple[str, str, int, str]) -> None:
    field, said, status, model = given

    def refuses(request: Received) -> Any:
        return (status, said) if field in request.body else None

    options = {"params": {"context_tokens": 32_768}}
    with (
        Provider(QrelsJudge(GRADES), refuses=refuses) as provider,
        judging(provider, model, **options) as judge,
    ):
        first = judge.rerank(QUERY, DOCS, strategy="score")
        before = provider.requests
        again = judge.rerank("another", DOCS, strategy="score")
        repeated = provider.requests - before
    need(first.order == again.order == (1, 0, 2), f"orders {first.order}, {again.order}")
    need(first.status == again.status == "complete", f"{first.reasons}")
    need(repeated == 3, f"{repeated} requests for three documents, once it is known")


MOST = (
    "logprobs must be at most 5",
    "Invalid value for top_logprobs: must be between 0 and 5",
    "top_logprobs must be less than or equal to 5",
    "top_logprobs maximum is 5",
    "Input should be less than or equal to 5: top_logprobs",
    "number of logprobs must be <= 5",
    "top_logprobs too large, max: 5",
)


@case("features", *((said, model) for said in MOST for model in (OPENAI, VLLM)))
def as_many_log_probabilities_as_there_are(given: tuple[str, str]) -> None:
    said, model = given

    def refuses(request: Received) -> Any:
        return (400, said) if request.body.get("top_logprobs", 0) > 5 else None

    with Provider(QrelsJudge(GRADES), refuses=refuses) as provider:
        with judging(provider, model, params={"logprobs": 20, "context_tokens": 32_768}) as judge:
            ranking = judge.rerank(QUERY, DOCS, strategy="binary")
        used = provider.received[-1].body.get("top_logprobs")
    need(ranking.order == (1, 0, 2), f"order {ranking.order}")
    need(used == 5, f"{used} log-probabilities are asked for")


# Answer elsewhere

EIGHT = '{"score": 8}'
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": EIGHT}}
MESSAGES: tuple[dict[str, Any], ...] = (
    {"content": None, "reasoning_content": EIGHT},
    {"content": "", "reasoning_content": EIGHT},
    {"content": " \n", "reasoning_content": EIGHT},
    {"content": None, "reasoning": EIGHT},
    {"content": "", "thinking": EIGHT},
    {"content": None, "reasoning_content": f"```json\n{EIGHT}\n```"},
    {"content": None, "reasoning_content": f"\n{EIGHT}\n"},
    {"content": None, "tool_calls": [CALL]},
    {"content": "", "tool_calls": [CALL]},
    {"content": None, "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {"score": 8}}}]},
    {"content": None, "function_call": {"name": "f", "arguments": EIGHT}},
    {"content": [{"type": "text", "text": EIGHT}]},
    {"content": [{"type": "output_text", "text": EIGHT}]},
    {"content": [{"type": "thinking", "thinking": "3?"}, {"type": "text", "text": EIGHT}]},
    {"content": {"score": 8}},
    {"reasoning_content": EIGHT},
    {"content": None, "thinking_blocks": [{"type": "thinking", "thinking": EIGHT}]},
    {"content": None, "reasoning_details": [{"type": "reasoning.text", "text": EIGHT}]},
)
NO_ANSWERS: tuple[dict[str, Any], ...] = (
    {"content": None, "reasoning_content": "Perhaps 8, perhaps 3."},
    {"content": None, "reasoning_content": f"First {EIGHT}, then no."},
    {"content": None, "tool_calls": []},
    {"content": None},
    {"content": []},
)


def _says(message: dict[str, Any]) -> Fault:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}
    return Fault.says({"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage})


def _label(message: dict[str, Any], model: str) -> str | None:
    with Provider() as provider:
        provider.misbehave(*[_says(message)] * 5)
        options = {"params": {"context_tokens": 32_768, "logprobs": False}}
        with judging(provider, model, **options) as judge:
            ranking = judge.rerank(QUERY, DOCS[:1], strategy="score")
    if not ranking.results[0].judgments:
        raise FellShort(f"no judgment: {ranking.reasons}")
    return ranking.results[0].judgments[-1].label


@case(
    "answer elsewhere",
    *((message, model) for message in MESSAGES for model in (OPENAI, VLLM, "deepseek/deepseek-chat")),
)
def the_answer_is_taken(given: tuple[dict[str, Any], str]) -> None:
    label = _label(*given)
    need(label == "8", f"read as {label}")


@case("answer elsewhere", *NO_ANSWERS)
def what_is_no_answer_is_none(message: dict[str, Any]) -> None:
    label = _label(message, OPENAI)
    need(label is None, f"read as {label}")
