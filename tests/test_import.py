"""What `import judge_rerank` loads."""

import subprocess
import sys

import pytest

import judge_rerank

HEAVY = {
    "aiohttp", "anthropic", "asyncio", "diskcache", "httpx", "jinja2", "litellm", "numpy", "openai", "pydantic",
    "rich", "tenacity", "tiktoken", "tokenizers", "torch", "transformers", "typer", "xllamacpp", "yaml",
}  # fmt: skip


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_import_is_light() -> None:
    assert not loaded_by("import judge_rerank") & HEAVY


def test_strategies_are_light() -> None:
    loaded = loaded_by("from judge_rerank import Binary, Score, Listwise; from judge_rerank.strategies import spec")
    assert not loaded & (HEAVY - {"asyncio"})


def test_classifying_is_light() -> None:
    assert not loaded_by("from judge_rerank.routing import TrainedClassifier; TrainedClassifier().classify('why?')") & (
        HEAVY - {"asyncio"}
    )


def test_every_public_name_is_there() -> None:
    for name in judge_rerank.__all__:
        assert getattr(judge_rerank, name).__doc__, name
    assert set(judge_rerank.__all__) <= set(dir(judge_rerank))
    with pytest.raises(AttributeError):
        _ = judge_rerank.Nothing
