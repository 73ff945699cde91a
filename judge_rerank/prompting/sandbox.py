"""Jinja with bounds: variables, `if`, `for` and a few filters, and nothing that can grow without limit.

Jinja's own sandbox keeps a template away from Python, but `{{ "x" * 10**9 }}` still builds a gigabyte. Here the syntax
tree is read before anything is run, and only what a prompt needs may be in it: no arithmetic but `+` and `-` of
numbers, no assignments, macros, includes or calls but `range`, loops at most two deep over at most 10,000 items, and
filters that do not make text longer; and no more than 5,000 parts of syntax. While a template is rendered the text is
counted and cut off at a limit, and so are the steps of its loops, which may be empty. So the memory and time of loading
and of rendering are bounded.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import StrictUndefined, TemplateError, TemplateRuntimeError, TemplateSyntaxError, Undefined, meta, nodes
from jinja2.environment import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from judge_rerank.core import PromptError
from judge_rerank.prompting.fences import HELPER, TAG, fence_tags

_MOST_ITEMS = 10_000
_MOST_STEPS = 200_000
_MOST_NODES = 5_000
_LONGEST_RANGE = 1_000
_LONGEST_SEPARATOR = 100
_FILTERS = (
    *("capitalize", "count", "d", "default", "first", "join", "last"),
    *("length", "lower", "title", "trim", "truncate", "upper"),
)
_TESTS = (
    *("defined", "undefined", "none", "string", "number", "even", "odd", "in", "true", "false"),
    *("eq", "equalto", "ne", "lt", "le", "gt", "ge"),
)
_NODES: tuple[type[nodes.Node], ...] = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Call, nodes.Keyword),
    *(nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Getattr, nodes.Getitem, nodes.Slice),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Filter, nodes.Test),
    *(nodes.Add, nodes.Sub, nodes.Neg),
)
_SPELLING: Mapping[type[nodes.Node], str] = {
    nodes.Mul: "'*'",
    nodes.Pow: "'**'",
    nodes.Mod: "'%'",
    nodes.Div: "'/'",
    nodes.FloorDiv: "'//'",
    nodes.Concat: "'~'",
    nodes.Assign: "{% set %}",
    nodes.AssignBlock: "{% set %}",
    nodes.Dict: "a dictionary",
}
_steps = ContextVar("steps", default=0)
"""How many items the loops of the rendering under way have run over."""

_TAG_NAME = re.compile(r"/?[A-Za-z][\w-]{0,40}")
_SOURCE_NAME = "<template>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One compiled part of a prompt.

    Attributes:
        names: the variables that it reads.
        tags: names of the tags in its own text (`<document>`), which what is put into it must not contain.
        fenced: whether tags enclose the documents that it shows, which are sent with a word that no document knows.
    """

    names: frozenset[str]
    tags: frozenset[str]
    fenced: bool
    _template: Template
    _path: Path
    _first_line: int

    def render(self, variables: Mapping[str, object], *, limit: int) -> str:
        """The text, without white space around it.

        Raises:
            PromptError: the template fails with these variables, or makes more than `limit` characters of them.
        """
        _steps.set(0)
        try:
            return "".join(_counted(self._template.generate(variables), limit)).strip()
        except (TemplateError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise PromptError(_sentence(error), path=self._path, line=self._line_of(error)) from error

    def _line_of(self, error: Exception) -> int:
        frames = [f.lineno or 1 for f in traceback.extract_tb(error.__traceback__) if f.filename == _SOURCE_NAME]
        return self._first_line - 1 + (frames[-1] if frames else 1)


def compile_part(
    source: str, *, path: Path, first_line: int, allowed: Iterable[str], shows_documents: bool = False
) -> Part:
    """Check and compile a part of a template.

    Args:
        source: its text.
        path: the file it comes from, for messages.
        first_line: the line of the file at which it starts.
        allowed: the variables there are.
        shows_documents: whether it is the part that shows documents, in which tags and `fence()` get a word that no
            document can know.

    Raises:
        PromptError: a syntax error, an unknown variable, or something that a prompt cannot do, with its line.
    """
    try:
        tree = _ENVIRONMENT.parse(source)
        names = _checked(tree, frozenset((*allowed, *((HELPER,) if shows_documents else ()))))
        tags = _tags(tree)
        fenced = bool(shows_documents and fence_tags(tree))
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(
                loop.iter, "_items", [], [], None, None, lineno=loop.lineno, environment=_ENVIRONMENT
            )
        template = _ENVIRONMENT.from_string(tree)
    except TemplateSyntaxError as error:
        raise PromptError(_sentence(error), path=path, line=first_line - 1 + error.lineno) from None
    except (RecursionError, MemoryError, SyntaxError, ValueError) as error:
        msg = f"The template cannot be read as Jinja: {_sentence(error)}"
        raise PromptError(msg, path=path, line=first_line) from None
    return Part(
        names=names - {HELPER}, tags=tags, fenced=fenced, _template=template, _path=path, _first_line=first_line
    )


def _tags(tree: nodes.Template) -> frozenset[str]:
    """The names of the tags that the part writes, itself or by `fence("name")`."""
    texts = (data.data for data in tree.find_all(nodes.TemplateData))
    made = [call.args for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Name)]
    given = (each.value for args in made for each in args if isinstance(each, nodes.Const))
    written = (tag["name"] for text in texts for tag in TAG.finditer(text))
    return frozenset(name.lower() for name in (*written, *(str(each).lstrip("/") for each in given)))


def _checked(tree: nodes.Template, allowed: frozenset[str]) -> frozenset[str]:
    """The variables that the tree reads, all of them allowed; everything else in it is allowed too."""
    for count, node in enumerate(tree.find_all(nodes.Node), start=1):
        if count > _MOST_NODES:
            _reject(f"A prompt can have {_MOST_NODES:,} parts at most (texts, variables, conditions, loops).", node)
        _check_node(node)
    names = frozenset(meta.find_undeclared_variables(tree)) - {"range"}
    for node in tree.find_all(nodes.Name):
        if node.name in names - allowed and node.ctx == "load":
            _reject(f"There is no variable {node.name!r} in this part. There are: {', '.join(sorted(allowed))}.", node)
    return names


def _check_node(node: nodes.Node) -> None:
    if not isinstance(node, _NODES):
        _reject(f"{_spelled(node)} cannot be used in a prompt; variables, if, for, comparisons, + and - can.", node)
    match node:
        case nodes.Filter() | nodes.Test():
            _check_named(node)
        case nodes.Call() if not (isinstance(node.node, nodes.Name) and node.node.name in ("range", HELPER)):
            _reject("Only range(...) and fence(...) can be called in a prompt.", node)
        case nodes.Call() if node.node.name == HELPER and not _makes_delimiter(node):  # pyright: ignore[reportAttributeAccessIssue]
            _reject('fence() takes nothing, or the name of a tag: fence("passage"), fence("/passage").', node)
        case nodes.Getattr() if node.attr.startswith("_"):
            _reject(f"{node.attr!r} cannot be used in a prompt.", node)
        case nodes.For() if any(inner.find(nodes.For) for inner in node.find_all(nodes.For)):
            _reject("Loops can be at most two deep in a prompt.", node)
        case _:
            pass


def _makes_delimiter(call: nodes.Call) -> bool:
    if call.kwargs or call.dyn_args or call.dyn_kwargs or len(call.args) > 1:
        return False
    return all(isinstance(each, nodes.Const) and _TAG_NAME.fullmatch(str(each.value)) for each in call.args)


def _check_named(node: nodes.Filter | nodes.Test) -> None:
    kind, known = ("filter", _FILTERS) if isinstance(node, nodes.Filter) else ("test", _TESTS)
    if node.name not in known:
        _reject(f"Unknown {kind} {node.name!r}. A prompt can use: {', '.join(known)}.", node)


def _reject(message: str, node: nodes.Node) -> NoReturn:
    raise TemplateSyntaxError(message, node.lineno)


def _spelled(node: nodes.Node) -> str:
    return _SPELLING.get(type(node), f"{{% {type(node).__name__.lower()} %}}")


def _sentence(error: Exception) -> str:
    text = (getattr(error, "message", None) or str(error) or type(error).__name__).strip()
    return text if text.endswith(".") else f"{text}."


def _counted(pieces: Iterable[str], limit: int) -> Iterator[str]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            msg = f"The prompt grows beyond {limit:,} characters, many times what is put into it. Check its loops."
            raise TemplateRuntimeError(msg)
        yield piece


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "-"})

    def call_binop(self, context: object, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002
        if not (isinstance(left, int | float) and isinstance(right, int | float)):
            msg = f"{operator!r} is for numbers only. Write texts side by side: {{{{ a }}}}{{{{ b }}}}"
            raise TemplateRuntimeError(msg)
        return left + right if operator == "+" else left - right


def _printable(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, str | int | float | Undefined):
        return value
    msg = f"A {type(value).__name__} cannot be printed. Loop over it, or name the part of it that is meant."
    raise TemplateRuntimeError(msg)


def _items(value: Iterable[object]) -> list[object]:
    if isinstance(value, str) or not hasattr(value, "__len__"):
        msg = f"A loop needs a list, not a {type(value).__name__}."
        raise TemplateRuntimeError(msg)
    items = list(value)
    if len(items) > _MOST_ITEMS:
        msg = f"A loop can run over {_MOST_ITEMS:,} items at most, not {len(items):,}."
        raise TemplateRuntimeError(msg)
    _steps.set(_steps.get() + len(items))
    if _steps.get() > _MOST_STEPS:
        msg = f"The loops of a prompt can take {_MOST_STEPS:,} steps together; this one takes more."
        raise TemplateRuntimeError(msg)
    return items


def _join(value: Iterable[object], d: str = "") -> str:
    separator = str(_printable(d))
    if len(separator) > _LONGEST_SEPARATOR:
        msg = f"The text between joined items can have {_LONGEST_SEPARATOR} characters at most."
        raise TemplateRuntimeError(msg)
    return separator.join(str(_printable(item)) for item in _items(value))


def _range(start: int, stop: int | None = None, step: int = 1) -> range:
    numbers = range(start, stop, step) if stop is not None else range(start)
    if len(numbers) > _LONGEST_RANGE:
        msg = f"range(...) can have {_LONGEST_RANGE:,} items at most in a prompt, not {len(numbers):,}."
        raise TemplateRuntimeError(msg)
    return numbers


def _environment() -> _Environment:
    environment: Any = _Environment(
        autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_printable
    )
    bounded = {"join": _join, "_items": _items}
    environment.filters = {name: environment.filters[name] for name in _FILTERS} | bounded
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    environment.globals = {"range": _range}
    return environment


_ENVIRONMENT = _environment()
