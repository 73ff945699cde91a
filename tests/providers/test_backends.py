"""A backend of one's own by name: registered in a program, or brought by another package."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from judge_rerank import Judge
from judge_rerank.core.errors import InputError
from judge_rerank.providers import BACKENDS, open_backend
from judge_rerank.providers.backends import backend
from judge_rerank.testing import FakeBackend

EXAMPLE = '''
"""A judge that prefers the passage with the most of the query's words, as a backend of its own."""

import json

from judge_rerank import ChatReply, ChatRequest, Judge, ModelInfo, backend


@backend("words")
class Words:
    """Judges by shared words; `Judge("words/any-name")` reaches it."""

    def __init__(self, model, *, api_base=None, api_key=None, params=None):
        self._model = model

    @property
    def info(self):
        return ModelInfo(name=self._model, context_tokens=100_000, local=True)

    def count_tokens(self, text):
        return len(text.split()) * 2

    async def complete(self, request: ChatRequest) -> ChatReply:
        asked = request.subject
        words = set(asked.query.text.lower().split())
        shared = [len(words & set(each.document.text.lower().split())) for each in asked.candidates]
        order = sorted(range(len(shared)), key=lambda position: -shared[position])
        return ChatReply(text=json.dumps({"ranking": [position + 1 for position in order]}))

    async def aclose(self):
        pass


with Judge("words/plain") as judge:
    ranking = judge.rerank("who wrote dune", ["Sand in Namibia.", "Herbert wrote Dune"], strategy="listwise")
print(ranking.status, ranking.results[0].index)
'''


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a package that brings backends by entry points."""
    (tmp_path / "others_judge.py").write_text(
        "from judge_rerank.testing import FakeBackend\n"
        "def opens(model, *, api_base, api_key, params):\n"
        "    fake = FakeBackend('{\"ranking\": [1, 2]}')\n"
        "    fake.asked_as = model\n"
        "    return fake\n"
        "def none(model, **given):\n"
        "    return 7\n"
    )
    info = tmp_path / "others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    entries = (
        "[judge_rerank.backends]\nothers = others_judge:opens\nseven = others_judge:none\nlost = no_such_module:x\n"
    )
    (info / "entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    BACKENDS.forget()
    yield tmp_path
    BACKENDS.forget()


def test_the_worked_example():
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(EXAMPLE)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "complete 1\n", "")


def test_a_backend_of_another_package(installed: Path):
    with Judge("others/model-1") as judge:
        assert judge.rerank("alpha", ["alpha", "beta"], strategy="listwise").status == "complete"
    assert vars(open_backend("others/model-1"))["asked_as"] == "others/model-1"


def test_what_is_no_backend_is_named(installed: Path):
    with pytest.raises(InputError, match="seven"):
        open_backend("seven/x")


def test_what_cannot_be_imported_is_named(installed: Path):
    from judge_rerank.core.errors import SetupError

    with pytest.raises(SetupError, match="no_such_module"):
        open_backend("lost/x")


def test_a_prefix_is_taken_once(installed: Path):
    class Own(FakeBackend):
        """Of another module than the one that has the prefix, and none of this package."""

    with pytest.raises(InputError, match="registered twice"):
        backend("others")(Own)
    with pytest.raises(InputError, match="package's own"):
        backend("local")(Own)


def test_other_prefixes_are_litellms():
    assert type(open_backend("openai/gpt-4.1-mini", api_key="k")).__name__ == "LiteLLMBackend"
