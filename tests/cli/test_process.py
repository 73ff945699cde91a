"""The command as a process of its own: pipes, signals, missing packages."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import GRADES
from tests.provider import Fault, Provider, QrelsJudge

COMMAND = [sys.executable, "-m", "judge_rerank"]


PATIENCE_S = 300
"""How long a process may take for what it has to do, on a machine however busy; only a failure takes that long."""


class TwoAnswers:
    """No answer after the first two."""

    def at(self, number: int) -> Fault:
        return Fault(kind="hang") if number >= 2 else Fault()


@pytest.fixture
def halting_provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    with Provider(QrelsJudge(GRADES), faults=TwoAnswers()) as running:
        yield running


def test_ctrl_c_prints_what_was_judged_so_far(halting_provider: Provider, documents: Path) -> None:
    options = ["-m", "openai/test", "--api-base", f"{halting_provider.url}/v1", "-s", "score", "--concurrency", "2"]
    process = subprocess.Popen(
        [*COMMAND, "rerank", "-q", "who wrote Dune?", str(documents), *options, "-f", "jsonl"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Two at a time: the fourth request is sent when the second answer has been received.
    deadline = time.monotonic() + PATIENCE_S
    while halting_provider.requests < 4 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert halting_provider.requests == 4, err
    assert process.returncode == 130, err
    assert sorted(json.loads(line)["id"] for line in out.splitlines()) == ["d0", "d1", "d2", "d3"]
    assert "2 documents not judged" in err
    assert "Traceback" not in err


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen([*COMMAND, "doctor"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, "")


def test_a_full_disk_is_said_without_a_traceback() -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run([*COMMAND, "doctor"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: Cannot write to standard output: No space left")
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_the_cli_extra_it_says_what_to_install(package: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None; from judge_rerank.__main__ import main; sys.exit(main())"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr == (
        f"error: The command line needs {package!r}, which is not installed. Run: pip install judge-rerank\n"
    )


def test_help_does_not_load_what_only_judging_needs() -> None:
    heavy = ["litellm", "torch", "numpy", "bm25s", "xllamacpp", "tiktoken", "jinja2"]
    program = (
        "import sys; from judge_rerank.cli import run; code = run(['--help']); "
        f"sys.exit(code or ' '.join(m for m in {heavy} if m in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.stderr.strip() == ""
    assert "Exit codes" in ran.stdout


def test_colours_are_left_out_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = subprocess.run([*COMMAND, "doctor"], capture_output=True, text=True, check=True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR")
    plain = subprocess.run([*COMMAND, "doctor"], capture_output=True, text=True, check=True)
    assert "\x1b[" in coloured.stdout
    assert "\x1b[" not in plain.stdout


def test_a_terminal_without_unicode_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("JUDGE_RERANK_MODELS", "/café")
    ran = subprocess.run([*COMMAND, "doctor"], capture_output=True, text=True, check=True)
    assert r"JUDGE_RERANK_MODELS=/caf\u00e9" in ran.stdout


def test_only_the_program_looks_for_garbage_more_seldom() -> None:
    """A process that only uses the library keeps what it has set."""
    code = (
        "import gc, sys; usual = gc.get_threshold(); from judge_rerank import Judge; "
        "from judge_rerank.__main__ import main; before = gc.get_threshold(); "
        "sys.argv = ['judge-rerank', 'prompts', '--help']; main(); "
        "print(before == usual, gc.get_threshold()[0], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert done.stderr.split() == ["True", "10000"]
