"""What `import judge_rerank` loads, and which way imports run."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import judge_rerank

PACKAGE = Path(judge_rerank.__file__).parent

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
    loaded = loaded_by("from judge_rerank import Binary, Score, Listwise; from judge_rerank import spec")
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


# Who may import whom: a module may import those of its own layer's list. The first matching prefix counts.
MAY_IMPORT = {
    "types": {"explanation"},  # only where `Ranking.explain` is called
    "errors": {"types"},
    "llm.base": {"types"},
    "checks": {"errors"},
    "windows": {"types", "errors"},
    "quoting": {"types", "errors"},
    "documents": {"types", "errors"},
    "cancel": {"types", "errors"},
    "strategies": {"types", "errors", "checks", "windows", "strategies"},
    "scorers": {"types", "errors", "checks", "strategies", "scorers", "llm.models"},
    "routing.judged": {"types", "errors", "routing", "strategies.base", "judge"},  # the judge for its type alone
    "routing": {"types", "errors", "routing"},
    "templates": {"types", "errors", "quoting", "front_matter", "sandbox", "llm.base"},
    "parsing": {"types", "errors", "parsing", "llm.base", "strategies.base"},
    "llm": {"types", "errors", "llm", "parsing", "budget", "redaction"},
    "spec": {"types", "errors", "strategies", "scorers"},
    "rendering": {"types", "errors", "llm.base", "parsing", "strategies.base", "templates"},
}
LITELLM_LIVES_IN = "llm/litellm.py"


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer_of(name: str) -> str | None:
    return next((layer for layer in MAY_IMPORT if name == layer or name.startswith(layer + ".")), None)


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }


@pytest.mark.parametrize("name", [name for name in modules() if layer_of(name)])
def test_imports_run_one_way(name: str) -> None:
    allowed = MAY_IMPORT[layer_of(name) or ""]
    ours = {
        found.removeprefix("judge_rerank.")
        for found in imports_of(modules()[name])
        if found.startswith("judge_rerank.")
    }
    known = set(modules())
    for found in ours:
        module = found if found in known else found.rpartition(".")[0]
        if module not in known or module == name:
            continue
        assert any(module == ok or module.startswith(ok + ".") for ok in allowed), f"{name} imports {module}"


def test_litellm_is_imported_in_one_place_inside_a_function() -> None:
    for path in PACKAGE.rglob("*.py"):
        where = path.relative_to(PACKAGE).as_posix()
        if any(found.partition(".")[0] == "litellm" for found in imports_of(path)):
            assert where == LITELLM_LIVES_IN
        top_level = [
            n for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, (ast.Import, ast.ImportFrom))
        ]
        assert not any("litellm" in ast.dump(n) and "judge_rerank" not in ast.dump(n) for n in top_level), where
