"""The examples in docstrings run as they stand, and print what they say that they print."""

from pathlib import Path

import pytest

from tests.docstrings import DocumentedExample, documented_examples

EXAMPLES = documented_examples()
NEEDED = (
    *("Judge", "Judge.rerank", "Judge.arerank", "Judge.rerank_many", "Judge.arerank_many"),
    *(
        "JudgeResources.limit",
        "Judge.estimate",
        "Judge.plan",
        "Budget",
        "Price",
        "ReplyCache",
        "Trace",
        "Query",
        "Document",
    ),
    *("Score", "Binary", "Listwise", "Stage", "Cascade", "Hybrid", "BM25", "Passages", "RerankAPI"),
    *("FakeBackend", "SimulatedJudge", "evaluate", "rerank_files"),
)
"""What people call most."""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_it_runs(
    example: DocumentedExample,
    root: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert root == Path.cwd()
    exec(compile(example.source, example.name, "exec"), {"__name__": "example"})
    out = capsys.readouterr().out
    assert out or "print" not in example.source
    if example.shown:
        assert out.splitlines() == example.shown
    assert "partial ranking" not in caplog.text


def test_what_people_call_most_has_an_example() -> None:
    found = {example.name for example in EXAMPLES}
    assert [name for name in NEEDED if not any(one.endswith(f".{name}") for one in found)] == []


def test_examples_are_short() -> None:
    for example in EXAMPLES:
        lines = [line for line in example.source.splitlines() if line and not line.startswith(("import", "from"))]
        assert len(lines) <= 6, example.name
        assert max(map(len, lines)) <= 100, example.name  # a line of the reference, on a desk
