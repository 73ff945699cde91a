"""A process that never closes its judge ends without a word."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.provider import Provider
from tests.providers.asking import KEY

CODE = """
import asyncio, logging, sys
logging.getLogger("judge_rerank").setLevel(logging.ERROR)
from judge_rerank import Judge
judge = Judge(sys.argv[1], api_base=sys.argv[2], api_key=sys.argv[3], cache_dir=None)
asked = ("alpha", ["alpha", "beta"], "listwise")
ranking = judge.rerank(*asked) if sys.argv[4] == "sync" else asyncio.run(judge.arerank(*asked))
print(ranking.status)
"""


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize(("model", "path"), [("hosted_vllm/m", "/v1"), ("azure/gpt-4.1-mini", "")])
def test_nothing_is_printed_at_exit(provider: Provider, model: str, path: str, way: str):
    environment = {**os.environ, "AZURE_API_VERSION": "2024-10-21"}
    arguments = [sys.executable, "-c", CODE, model, provider.url + path, KEY, way]
    done = subprocess.run(arguments, check=False, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "complete\n", "")
