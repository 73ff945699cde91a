"""`judge-rerank docs`: the manual in the terminal."""

from pathlib import Path

import pytest

from judge_rerank.cli.manual import manual
from judge_rerank.cli.pages import PAGES
from tests.cli.conftest import Command

ROOT = Path(__file__).parents[2]


def test_without_a_page_all_are_listed_the_first_steps_first(command: Command) -> None:
    lines = command("docs").out.splitlines()
    names = [line.split()[0] for line in lines]
    assert names[:3] == ["index", "tutorial", "questions"]
    assert "how-to/cap-spending" in names
    assert {f"{name}.md" for name in names} == {
        path.relative_to(ROOT / "docs").as_posix()
        for path in (ROOT / "docs").rglob("*.md")
        if path.relative_to(ROOT / "docs").parts[0] not in ("site", "examples")
    }


@pytest.mark.parametrize("name", ["how-to/cap-spending", "cap-spending", "cap-spending.md"])
def test_a_page_is_printed_as_it_is_where_there_is_no_terminal(command: Command, name: str) -> None:
    assert command("docs", name).out == (ROOT / "docs" / "how-to" / "cap-spending.md").read_text("utf-8")


def test_words_are_found_in_sections_and_first_in_headings(command: Command) -> None:
    lines = command("docs", "--find", "rate limit").out.splitlines()
    assert lines[0].startswith("questions: Rate limit errors")
    assert all(": " in line for line in lines)


def test_what_is_not_there_is_said(command: Command) -> None:
    assert "Did you mean" in command("docs", "strategy").err or "strategies" in command("docs", "strategy").err
    assert command("docs", "strategy").code == 2
    assert "No page has 'zzyzx'" in command("docs", "--find", "zzyzx").err
    assert "There is nothing to find" in command("docs", "--find", " ").err
    assert "not both" in command("docs", "index", "--find", "cap").err


def test_the_pages_that_errors_name_are_there() -> None:
    assert {page for _, page in PAGES} <= set(manual())


def test_help_and_errors_name_the_pages(command: Command) -> None:
    assert "judge-rerank docs" in command("--help").out
    shown = command(
        "rerank", "-q", "q", "-m", "openai/no-such-model", "--budget", "1", str(ROOT / "docs/examples/docs.jsonl")
    )
    assert "More: judge-rerank docs spending" in shown.err
