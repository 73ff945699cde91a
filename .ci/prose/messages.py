"""What the package says to people, as text: string literals of its modules that are prose."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_LEAST_WORDS = 3
_NOT_PROSE = re.compile(
    r"^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|ALTER|WITH|BEGIN|DROP|FROM|WHERE)\b|\(\?|\\[bsw]|</"
)
"""SQL, regular expressions and HTML."""
_WORD = r"(?<!\S)[A-Za-z][a-z']*(?!\S)"
_CODE = re.compile(
    r"iconv -f \S+ -t \S+|jq -c \S+"
    r"|judge-rerank(?: [\w-]+){1,2}(?: [A-Z-][\w-]*)*"  # a command
    r"|(?<![\w`])--?[a-z][\w-]*(?: [A-Z]{2,})*"  # an option
    r"|(?<![\w`])\$?[\w./-]*[\w)\]][_/=(\[][\w./=()\[\]'…,-]*[\w)\]]"  # names, paths, calls
    r"|(?<![\w`])\w*\.(?:j2|json|jsonl|csv|tsv|trec|yaml|html|gguf|db)\b"  # files
    r"|(?<![\w`])(?:trec|tsv|jsonl|json|html|md|latex|csv)\b"  # formats
    r"|\b[A-Z]{2,}(?: [A-Z]{2,})*\b(?!s)"  # placeholders, abbreviations
)


class Message(NamedTuple):
    """A text, and the line of the module where it begins."""

    line: int
    text: str


def messages(module: Path) -> list[Message]:
    """The help texts, errors, warnings and report texts of a module, and the docstrings of its commands."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    help_texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "help"}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    found: list[Message] = []
    for node in ast.walk(tree):
        inside = id(node) in parts and not isinstance(node, ast.JoinedStr)
        if inside or id(node) in skipped or not isinstance(node, (ast.Constant, ast.JoinedStr)):
            continue
        text = _text(node)
        if id(node) in help_texts or _is_prose(text):
            found.append(Message(node.lineno, text))
    if module.parent.name == "cli":
        found += [Message(node.lineno, node.value) for node in _help_docstrings(tree)]
    return sorted(Message(line, _with_code(text)) for line, text in found if text)


def _help_docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """The docstrings of functions without an underscore, among which the commands are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and isinstance(node.body[0], ast.Expr):
            value = node.body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value


def _text(node: ast.expr) -> str:
    """The text of a literal; a value that is put in becomes `code`, which the linter leaves alone."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return "`x`"


def _is_prose(text: str) -> bool:
    return len(re.findall(_WORD, text)) >= _LEAST_WORDS and not _NOT_PROSE.search(text)


def _with_code(text: str) -> str:
    """The text with what is code in it marked as such; commands of their own and sections on arguments are left out."""
    prose = re.split(r"\n\s*(?:Args|Raises|Attributes):", text)[0]
    prose = re.sub(r"^\s*judge-rerank .*$", "", prose, flags=re.MULTILINE)
    prose = re.sub(r"%[sdrg]\b|%\.\d\w", "`x`", prose)
    return _CODE.sub(lambda found: f"`{found[0]}`", prose).replace("``", "")
