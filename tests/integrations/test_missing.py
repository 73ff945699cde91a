"""What an adapter says where its framework is not installed, and that one does not need another's."""

from __future__ import annotations

import subprocess
import sys

import pytest

FRAMEWORKS = {
    "langchain": ("langchain_core", "langchain"),
    "llama_index": ("llama_index", "llama-index"),
    "haystack": ("haystack", "haystack"),
    "pyterrier": ("pyterrier", "pyterrier"),
    "dspy": ("dspy", "dspy"),
    "mem0": ("mem0", "mem0"),
    "graphiti": ("graphiti_core", "graphiti"),
}
"""By adapter: the module that is needed, and the extra that brings it."""


@pytest.mark.parametrize("adapter", FRAMEWORKS)
def test_the_extra_is_named(adapter: str) -> None:
    module, extra = FRAMEWORKS[adapter]
    code = f"import sys; sys.modules[{module!r}] = None; import judge_rerank.integrations.{adapter}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert f"Run: pip install 'judge-rerank[{extra}]'" in done.stderr
    assert "MissingExtra" in done.stderr


def test_lightrag_needs_nothing() -> None:
    blocked = "".join(f"sys.modules[{module!r}] = None; " for module, _ in FRAMEWORKS.values())
    code = f"import sys; {blocked}import judge_rerank.integrations.lightrag, judge_rerank.integrations"
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)
