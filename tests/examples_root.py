"""The folder that examples run in, with a provider on loopback as the model."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.examples import ROOT
from tests.provider import Answer, Asked, Provider, QrelsJudge

ABOUT_BRAKES: dict[str, float] = {
    "Disc brakes squeal when oil has reached the rotor. Clean the rotor with alcohol.": 3,
    "Rim brakes stop squealing when the front of each pad touches the rim first.": 2,
    "Brakes squeal when oil has reached the rotor.": 3,
    "A bell is required by law in many countries.": 0,
    "A bell is required by law.": 0,
    "A bell is loud.": 0,
    "Put one drop of oil on each link.": 0,
    "Squealing brakes need clean rotors.": 3,
    "Wash the frame with soap.": 0,
    "A bell is fixed to the handlebar.": 0,
}


@cache
def grades() -> dict[str, float]:
    """The provider's opinion of every text in the examples; documents on brakes are the good ones."""
    corpus = (ROOT / "docs" / "examples" / "collection" / "corpus.jsonl").read_text("utf-8").splitlines()
    documents = [json.loads(line) for line in corpus]
    good: dict[str, float] = {"squeal-oil": 3, "squeal-toe": 2, "pads": 1}
    return {document["text"]: good.get(document["_id"], 0) for document in documents} | ABOUT_BRAKES


def judge(asked: Asked) -> Answer:
    """Classifies every query as semantic, and judges documents by their grades."""
    return Answer(text="semantic") if "factual" in asked.text else QrelsJudge(grades())(asked)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder like the root of a clone, and a provider where the examples name OpenAI."""
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    monkeypatch.setenv("JUDGE_RERANK_MODEL", "openai/gpt-6-luna")
    monkeypatch.setenv("COLUMNS", "120")
    before = set(sys.modules)
    with Provider(judge) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv("OPENAI_API_BASE", f"{provider.url}/v1")
        monkeypatch.setenv("HOSTED_VLLM_API_BASE", f"{provider.url}/v1")  # a server of one's own
        yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]
