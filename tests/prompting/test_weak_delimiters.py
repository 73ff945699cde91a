"""Delimiters that a document can write are found; those that it cannot, are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from judge_rerank.prompting import Library, load, weak_delimiters

HEAD = "---\ntask: score\nname: mine\ndescription: One.\nversion: 1\n---\nuser:\n{{ query }} {{ reply_format }}\n"
LOOP = "{% for document in documents %}\n%s\n{% endfor %}\n"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('"""{{ document.text }}"""', "three quotation marks"),
        ("```\n{{ document.text }}\n```", "a Markdown fence"),
        ("### Document {{ document.id }}\n{{ document.text }}", "a heading"),
        ("Document {{ document.id }}: {{ document.text }}", "a name in words"),
        ("{{ document.id }}: {{ document.text }}", "a number or a letter"),
        ('{{ "ABCDEFG"[loop.index0] }}) {{ document.text }}', "a number or a letter"),
        ("---\n{{ document.text }}", "a line of dashes or the like"),
    ],
)
def test_what_a_document_can_write_is_reported_with_its_line(body: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.j2"
    path.write_text(HEAD + LOOP.replace("%s", body), encoding="utf-8")
    assert weak_delimiters(load(path))[0] == (10, kind)


@pytest.mark.parametrize(
    "body",
    [
        "<passage>\n### {{ document.title }}\n{{ document.text }}\n</passage>",
        "### Document {{ document.id }} {{ fence() }}\n{{ document.text }}",
        "[{{ document.id }}] {{ document.text }}",
    ],
)
def test_what_no_document_can_write_is_not(body: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.j2"
    path.write_text(HEAD + LOOP.replace("%s", body), encoding="utf-8")
    assert weak_delimiters(load(path)) == []


def test_the_built_in_prompts_have_none() -> None:
    assert [name for name in Library().names() if weak_delimiters(Library().find(name))] == []
