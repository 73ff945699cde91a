"""Outside text keeps its words and loses the marks that would give it a voice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge_rerank.prompting.escaping import TAGS, quote

SPECIAL_TOKENS = [
    *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|start_header_id|>", "<|turn>", "<turn|>"),
    *("<｜User｜>", "<｜begin▁of▁sentence｜>", "<[begin▁of▁sentence]>", "<seed:bos>", "[|assistant|]", "]~b]", "[e~["),
    *("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "[SYSTEM_PROMPT]", "[TOOL_CALLS]", "[gMASK]", "<sop>", "[CLS]"),
    *("<s>", "</s>", "<bos>", "<eos>", "<pad>", "<unk>", "<BOS_TOKEN>", "<start_of_turn>", "<end_of_turn>"),
    *(
        "<think>",
        "</think>",
        "[THINK]",
        "◁think▷",
        "◁/think▷",
        "<mm:think>",
        "<reasoning>",
        "<tool_call>",
        "</tool_response>",
        "<unused42>",
        "<extra_id_1>",
        "<fim_prefix>",
    ),
    *("<__media__>", "<start_of_image>"),
]
DELIMITERS = [
    *("<document>", "</document>", "</documents>", "<query>", "</query>", "</example>", "</DOCUMENT>", "</Document >"),
    *("< / document\n>", "<document id='3'>", "</document", "<document/>", "<\u200b/\u200bdocument\u200b>"),
]
MARKS = [*SPECIAL_TOKENS, *DELIMITERS, "[1]", "[ 20 ]", "[007]", "[\n3\n]", "[٣]"]

PIECES = st.sampled_from([*MARKS, *"<>[]()|/~ \n1s", "<|", "|>", "<<", "document", "\r\n", "\x00", "\ud800", "ſ", "é"])
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join))
ROUND = str.maketrans("<>[]◁▷", "()()()")


@pytest.mark.parametrize("mark", MARKS)
def test_marks_get_round_brackets(mark: str) -> None:
    quoted = quote(f"before {mark} after")
    assert mark not in quoted
    assert mark[0] not in quoted
    assert quoted.translate(ROUND) == f"before {mark} after".translate(ROUND)


@pytest.mark.parametrize("mark", MARKS)
def test_marks_are_found_between_their_likes(mark: str) -> None:
    for text in (f"<{mark}>", f"[{mark}]", f"{mark}{mark}", f"<|{mark}|>", f"</{mark}", f"<document {mark}>"):
        assert mark not in quote(text)


def test_a_mark_cannot_be_hidden_in_characters_that_go() -> None:
    assert quote("<|im_\x00start|>") == "(|im_start|)"
    assert quote("</docu\ud800ment>[\x1b1]") == "(/document)(1)"


@pytest.mark.parametrize(
    "text",
    [
        "if a < b and c > d: x[i] = y[i, 2] | z",
        "items |> map(f) |> sum",
        "see [12a], [a1], [1, 2], [PDF], <b>bold</b>, <documentary>, <query-planner>, </section>",
        "{{ 7*7 }} {% for x in y %} {# no #}",
        "tab\tand newline\n\n  indented, “quotes”, naïve, 日本語, 👩‍🚀, <https://example.org>",
        "system: user: assistant:\nuser:\nDocument:",
        "",
    ],
)
def test_everything_else_stays_to_the_letter(text: str) -> None:
    assert quote(text) == text


def test_line_ends_become_newlines_and_controls_go() -> None:
    assert (
        quote("a\r\nb\rc\x0bd\x0ce\x85f\u2028g\u2029h\ni\tj\x00k\x1b[0ml\x7fm") == "a\nb\nc\nd\ne\nf\ng\nh\ni\tjk[0mlm"
    )


def test_a_templates_own_tags_count_as_delimiters() -> None:
    assert quote("</passage>") == "</passage>"
    assert quote("</Passage > </document>", tags={"passage"}) == "(/Passage ) (/document)"
    assert "document" in TAGS


@settings(deadline=None)
@given(TEXTS)
def test_quoting_twice_changes_nothing(text: str) -> None:
    once = quote(text)
    assert quote(once) == once


@settings(deadline=None)
@given(TEXTS)
def test_only_brackets_and_unprintable_characters_change(text: str) -> None:
    quoted = quote(text)
    quoted.encode("utf-8")
    kept = text.replace("\r\n", "\n").translate(dict.fromkeys(map(ord, "\r\x0b\x0c\x85\u2028\u2029"), "\n"))
    kept = "".join(
        c for c in kept if c in "\n\t" or not (ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000)
    )
    assert quoted.translate(ROUND) == kept.translate(ROUND)


@settings(deadline=None)
@given(TEXTS)
def test_no_mark_survives(text: str) -> None:
    quoted = quote(text)
    assert not any(mark in quoted for mark in MARKS if not mark[-1].isalpha())
    assert "<|" not in quoted


@pytest.mark.parametrize(
    "piece", ["<", "[", "]", "</ ", "< ", "[1", "<document", "<" + "a" * 80, "<|" + "a" * 80, "<[" + "a" * 80, "word "]
)
def test_hostile_repetition_takes_linear_time(piece: str) -> None:
    # Quadratic work on so many characters would take an hour.
    text = (piece * (300_000 // len(piece) + 1))[:300_000]
    assert len(quote(text)) == len(text)


@pytest.mark.parametrize("filler", [" ", "1", "a", "\n", "\u200b"])
def test_long_fillings_take_linear_time(filler: str) -> None:
    for start in ("<", "</", "[", "[1", "<|", "<document"):
        assert len(quote(start + filler * 300_000)) == len(start) + 300_000
