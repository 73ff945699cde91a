"""The examples in docstrings: the `Example:` sections of the package, each with what it documents."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from tests.examples import ROOT

_SECTION = re.compile(r"^Example:\n\n?((?: {4}.*\n?|\n)+)", re.MULTILINE)
_PYTHON = re.compile(r"```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHOWN = re.compile(r"^print\(.*\)  # (.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class DocumentedExample:
    """The example of a class or function.

    Attributes:
        name: what it is an example of, "judge_rerank.judge.Judge.rerank".
        source: the Python.
        shown: what its prints say that they print, a line each, in order.
    """

    name: str
    source: str

    @property
    def shown(self) -> list[str]:
        return _SHOWN.findall(self.source)


def documented_examples() -> list[DocumentedExample]:
    """All of them, by file and line."""
    files = sorted((ROOT / "judge_rerank").rglob("*.py"))
    return [example for path in files for example in _of_file(path)]


def _of_file(path: Path) -> Iterator[DocumentedExample]:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from _of_node(tree, module)


def _of_node(node: ast.AST, name: str) -> Iterator[DocumentedExample]:
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        for section in _SECTION.findall(f"{ast.get_docstring(node) or ''}\n"):
            blocks = _PYTHON.findall(dedent(section))
            assert blocks, f"{name}: an example without ```python"
            yield from (DocumentedExample(name=name, source=block) for block in blocks)
        for child in node.body:
            yield from _of_node(child, f"{name}.{getattr(child, 'name', '')}")
