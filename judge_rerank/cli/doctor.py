"""`judge-rerank doctor`: what is installed, which keys and models are there, what `Judge()` would use."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from judge_rerank.cli import options
from judge_rerank.cli.cache import size_text
from judge_rerank.cli.config import FILE, TABLE, config
from judge_rerank.cli.decorator import configured, with_options
from judge_rerank.cli.judging import places
from judge_rerank.cli.option_groups import SpendingOptions
from judge_rerank.cli.options import Prompts
from judge_rerank.cli.output import emit, on_stdout
from judge_rerank.cli.packages import installed, packages, packages_text
from judge_rerank.cli.terminal import json_text
from judge_rerank.core import PLUGINS_VARIABLE, ModelInfo, RerankError, imported_plugins, spec_of
from judge_rerank.storage import StoreUrl

_KEYS = (
    "ANTHROPIC_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AZURE_API_KEY",
    "CEREBRAS_API_KEY",
    "CLOUDFLARE_API_KEY",
    "COHERE_API_KEY",
    "DEEPSEEK_API_KEY",
    "FIREWORKS_AI_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GROQ_API_KEY",
    "HF_TOKEN",
    "MISTRAL_API_KEY",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
    "PERPLEXITYAI_API_KEY",
    "TOGETHERAI_API_KEY",
    "TYPESAFE_API_KEY",
    "VERTEXAI_PROJECT",
    "XAI_API_KEY",
)
_SETTINGS = (
    "JUDGE_RERANK_CACHE_DIR",
    "JUDGE_RERANK_MODEL",
    "JUDGE_RERANK_MODELS",
    "JUDGE_RERANK_PLUGINS",
    "JUDGE_RERANK_STORE",
    "JUDGE_RERANK_TRACE",
)
_SWITCH = "JUDGE_RERANK_STORE=off"
_ENDPOINTS = ("AZURE_API_BASE", "HTTPS_PROXY", "OLLAMA_API_BASE", "OPENAI_API_BASE", "OPENAI_BASE_URL")
"""Only named, like the keys: an address may hold a password."""


@with_options
def doctor(prompts: Prompts = None, style: options.TableOrJson = "table") -> None:
    """Report what is installed, which keys are set (never their values), which models are here, and what is kept."""
    found = examine(prompts)
    emit(json_text(found, indent=2) if style == "json" else _as_table(found))


def examine(prompts: Path | None = None) -> dict[str, Any]:
    """Everything that the command prints, in JSON-ready types. Reads no key's value and opens no connection."""
    return {
        "version": installed(),
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "cpu_threads": _threads(),
        "judge": _judge(),
        "packages": packages(),
        "keys": [name for name in _KEYS if os.environ.get(name)],
        "endpoints": [name for name in _ENDPOINTS if os.environ.get(name)],
        "settings": {name: os.environ[name] for name in _SETTINGS if os.environ.get(name)},
        "config": _config(),
        "kept": _kept(),
        "models": _models(),
        "decision_models": _decision_models(),
        "prompts": _prompts(prompts),
        "additions": _additions(),
    }


def _threads() -> int:
    """Those that this process may use, which in a container are fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _judge() -> dict[str, Any]:
    """What `Judge()` would use, or what it would say; and what the strategy "cascade" means here."""
    from judge_rerank.providers import open_backend

    try:
        info = open_backend(None).info
    except RerankError as error:
        return {"model": None, "problem": str(error), "cascade": _cascade(None)}
    asked = "chat" if info.most_questions is None else "decisions"
    return {"model": info.name, "api": asked, "strategy": info.strategy, "cascade": _cascade(info)}


def _cascade(info: ModelInfo | None) -> str:
    from judge_rerank.routing import default_cascade

    try:
        return spec_of(default_cascade(info))
    except RerankError as error:
        return str(error)


def _config() -> dict[str, Any]:
    """The file of options that counts in this folder, and what it sets."""
    found = config()
    return {"path": found.path and str(found.path), "sets": {name: str(value) for name, value in found.values.items()}}


def _kept() -> dict[str, Any]:
    """What commands keep on disk, and how much of it there is."""
    from judge_rerank.core import InputError, SetupError

    asked, named = configured(SpendingOptions), os.environ.get("JUDGE_RERANK_TRACE", "").strip()
    try:
        kept = places(replace(asked, trace=Path(named)) if named else asked)
    except (InputError, SetupError) as error:
        return {"replies": None, "trace": None, "switch": _SWITCH, "problem": str(error)}
    return {
        "replies": _where(kept.replies, lambda folder: _files(folder / "replies", (folder / "replies").rglob("*"))),
        "trace": _where(kept.trace, lambda file: _files(file, file.parent.glob(f"{file.name}*"))),
        "switch": _SWITCH,
    }


def _where(place: Path | str | None, files: Callable[[Path], dict[str, Any]]) -> dict[str, Any] | None:
    """A place that is kept, without the password of a database."""
    if isinstance(place, str):
        return {"path": str(StoreUrl.of(place)), "bytes": None}
    return None if place is None else files(place)


def _files(path: Path, files: Iterable[Path]) -> dict[str, Any]:
    return {"path": str(path), "bytes": sum(file.stat().st_size for file in files if file.is_file())}


def _additions() -> list[dict[str, str]]:
    """Strategies, scorers and conditions of other packages, and plugins that cannot be imported."""
    from judge_rerank.strategies import additions

    plugins = [
        {"kind": "plugin", "name": module, "origin": PLUGINS_VARIABLE, "problem": problem}
        for module, problem in imported_plugins().items()
        if problem
    ]
    return plugins + [asdict(addition) for addition in additions()]


def _models() -> dict[str, Any]:
    """The registry's models, and where those are that are on this machine."""
    from judge_rerank.models import REGISTRY, installed_models
    from judge_rerank.storage import cache_dir

    here = installed_models()
    return {
        "folder": str(cache_dir() / "models"),
        "here": {name: str(path) for name, path in here.items()},
        "missing": [name for name in REGISTRY if name not in here],
    }


def _decision_models() -> list[str]:
    """The hosted models that answer typed questions, as far as LiteLLM's table names them."""
    from judge_rerank.spending import decision_models

    return list(decision_models())


def _prompts(folder: Path | None) -> dict[str, Any]:
    from judge_rerank.prompting import Library

    try:
        names = Library([folder] if folder is not None else []).names()
    except RerankError as error:
        return {"found": [], "problem": str(error)}
    return {"found": names}


def _as_table(found: Mapping[str, Any]) -> str:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    judge, models, prompts = found["judge"], found["models"], found["prompts"]
    rows = {
        "judge-rerank": found["version"] or "not installed as a package",
        "Python": f"{found['python']}, {found['cpu_threads']} CPU threads",
        "Judge() uses": _judge_line(judge),
        "-s cascade means": judge["cascade"],
        "Packages": packages_text(found["packages"]),
        "Keys set": ", ".join(found["keys"]) or "none",
        "Endpoints set": ", ".join(found["endpoints"]) or "none",
        "Settings": "\n".join(f"{name}={value}" for name, value in found["settings"].items()) or "none",
        "Options from": _options_from(found["config"]),
        "Kept on disk": _kept_lines(found["kept"]),
        "Models here": "\n".join(f"{name}: {path}" for name, path in models["here"].items()) or "none",
        "Others": f"{', '.join(models['missing'])}. Run: judge-rerank models pull NAME"
        if models["missing"]
        else "none",
        "Model folder": models["folder"],
        "Decision models": _by_provider(found["decision_models"]),
        "Prompts": prompts.get("problem") or ", ".join(prompts["found"]),
        "From other packages": "\n".join(_addition(each) for each in found["additions"]) or "none",
    }
    for name, value in rows.items():
        table.add_row(name, Text(value))
    return on_stdout(table)


def _judge_line(judge: Mapping[str, Any]) -> str:
    if not judge["model"]:
        return judge["problem"]
    kind = " (a decision model)" if judge["api"] == "decisions" else ""
    return f"{judge['model']}{kind}, strategy {judge['strategy']}"


def _by_provider(models: Iterable[str]) -> str:
    counts = Counter(name.partition("/")[0] for name in models)
    listed = ", ".join(f"{provider} ({count})" for provider, count in sorted(counts.items()))
    return f"{listed}. Names: judge-rerank models list" if listed else "none"


def _options_from(found: Mapping[str, Any]) -> str:
    if found["path"] is None:
        return f"no {FILE} here or above, and no [{TABLE}] in pyproject.toml"
    return "\n".join([found["path"], *(f"{name.replace('_', '-')} = {value}" for name, value in found["sets"].items())])


def _kept_lines(kept: Mapping[str, Any]) -> str:
    if "problem" in kept:
        return kept["problem"]
    what = {
        "replies": "replies, so that none is paid for twice",
        "trace": "what commands ask, with queries, documents and replies",
    }
    lines = [f"{text}: {_place(kept[name])}" for name, text in what.items()]
    return "\n".join([*lines, f"To keep neither: {kept['switch']}, or --no-store on the command line"])


def _place(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "not kept"
    if found["bytes"] is None:
        return found["path"]
    return f"{found['path']} ({size_text(found['bytes']) if found['bytes'] else 'nothing yet'})"


def _addition(each: Mapping[str, str]) -> str:
    return f"{each['kind']} {each['name']}, from {each['origin']}" + (f": {each['problem']}" if each["problem"] else "")
