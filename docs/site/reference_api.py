"""The pages of the Python interface: every public name, described by its docstring."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import judge_rerank

OF_ROOMS = {
    "judge": ("Judge", "judge.md"),
    "engine": ("Judge", "judge.md"),
    "learning": ("Judge", "judge.md"),
    "strategies": ("Strategies", "strategies.md"),
    "scorers": ("Scorers", "scorers.md"),
    "routing": ("Routing", "routing.md"),
    "retrieval": ("Retrieval", "retrieval.md"),
    "spending": ("Spending, cache and trace", "spending.md"),
    "cache": ("Spending, cache and trace", "spending.md"),
    "tracing": ("Spending, cache and trace", "spending.md"),
    "providers": ("Backends", "backends.md"),
}
"""The page of a public name, by the subpackage that it comes from. Names of `core` are documents and rankings."""

MODULES = {
    "judge_rerank.evaluation": ("Evaluation", "evaluation.md"),
    "judge_rerank.testing": ("Tests of your own", "testing.md"),
    "judge_rerank.server": ("Server", "server.md"),
    "judge_rerank.bulk": ("Bulk", "bulk.md"),
    "judge_rerank.integrations": ("Frameworks", "frameworks.md"),
}
"""Public modules beside the flat namespace."""

_FOLDER = "reference/api"
_BACKEND = {"Backend", "ChatReply", "ChatRequest", "ModelInfo"}


def api_pages() -> dict[str, str]:
    """A page for each subject."""
    names: dict[tuple[str, str], list[str]] = {}
    for name in judge_rerank.__all__:
        names.setdefault(_page_of(name), []).append(f"judge_rerank.{name}")
    for module, page in MODULES.items():
        names.setdefault(page, []).extend(_public(module))
    made = {f"{_FOLDER}/{file}": _page(title, found) for (title, file), found in names.items() if found}
    return made | {f"{_FOLDER}/index.md": _index(names)}


def _page_of(name: str) -> tuple[str, str]:
    value = getattr(judge_rerank, name)
    if isinstance(value, type) and issubclass(value, judge_rerank.RerankError):
        return "Errors", "errors.md"
    if name in _BACKEND:
        return "Backends", "backends.md"
    module = getattr(value, "__module__", "") or ""
    room = module.removeprefix("judge_rerank.").partition(".")[0]
    return OF_ROOMS.get(room, ("Documents and rankings", "documents.md"))


def _public(module: str) -> list[str]:
    """The public names of a module, and those of its public submodules where it has none of its own."""
    found = import_module(module)
    own = [f"{module}.{name}" for name in getattr(found, "__all__", ())]
    return own or [f"{module}.{name}" for name in _submodules(module)]


def _submodules(module: str) -> list[str]:
    from pkgutil import iter_modules

    folders = getattr(import_module(module), "__path__", ())
    return sorted(each.name for each in iter_modules(folders) if not each.name.startswith("_"))


def _page(title: str, names: list[str]) -> str:
    ordered = sorted(names, key=lambda name: (not name.endswith(".Judge"), name.casefold()))
    return "\n\n".join([f"# {title}", *(_entry(name) for name in ordered)]) + "\n"


def _entry(name: str) -> str:
    """A name with its docstring."""
    lines = [f"      {option}: {value}" for option, value in _options(name).items()]
    return "\n".join([f"::: {name}", *(["    options:", *lines] if lines else [])])


def _options(name: str) -> Mapping[str, str]:
    """What differs for it: a judge is shown with what it has from its base class, an error with its base class."""
    if name == "judge_rerank.Judge":
        kinds = [kind for kind in judge_rerank.Judge.__mro__ if kind is not object]
        members = [member for kind in kinds for member in vars(kind) if not member.startswith("_")]
        return {"inherited_members": "true", "members": str(members)}
    value = getattr(judge_rerank, name.removeprefix("judge_rerank."), None)
    return {"show_bases": "true"} if isinstance(value, type) and issubclass(value, judge_rerank.RerankError) else {}


def _index(names: dict[tuple[str, str], list[str]]) -> str:
    lines = ["# Python", "", "Every public name, with its arguments, its errors and its cost.", ""]
    for (title, file), found in sorted(names.items()):
        short = [f"[`{name.rpartition('.')[2]}`]({file}#{name})" for name in sorted(found)]
        lines += [f"**[{title}]({file})**: {', '.join(short)}", ""]
    return "\n".join(lines)
