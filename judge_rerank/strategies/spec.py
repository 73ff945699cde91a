"""From a name or a spec string to a strategy: `"listwise"`, `"bm25 % 50 >> score(batch_size=5) % 20 >> listwise"`."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

from judge_rerank.core import PLUGINS_VARIABLE, InputError, Registry, Strategy, UnknownName
from judge_rerank.strategies.cascade import Cascade, Composable, Stage
from judge_rerank.strategies.options import Option, options_of
from judge_rerank.strategies.registry import STRATEGIES, VALUES

_FORM = "name(option=value, ...), % N for the number of documents to keep, and >> before the next stage"
_LONGEST = 20_000
"""Characters of a spec string. A longer one is a mistake, and would take long to read."""


def strategy_names() -> tuple[str, ...]:
    """The names that `strategy=` understands, sorted; those of other packages too, which are not imported for it."""
    return tuple(name for name in STRATEGIES.names() if name not in {"stage", "stages"})


def parse(strategy: object) -> Strategy:
    """The strategy that a name, a spec string or an object stands for.

    A spec string is an expression of names: `bm25 % 50` keeps the best 50, `one >> other` goes on with what is kept,
    `name(option=value)` sets options, `stage(score, fuse=0.5, when=unsure(margin=0.1))` those of a stage. The `spec`
    of a strategy gives that strategy again.

    Raises:
        UnknownName: no strategy, or no option of it, has that name.
        InputError: the spec string cannot be read, or an option's value is of another type or out of range.
        SetupError: what registers the name cannot be imported.
    """
    if isinstance(strategy, str):
        return _parsed(strategy, (os.environ.get(PLUGINS_VARIABLE, ""), STRATEGIES.version, VALUES.version))
    if isinstance(strategy, type) and isinstance(strategy, Strategy):
        msg = f"strategy is the class {strategy.__name__}; pass an object of it: {strategy.__name__}()."
        raise InputError(msg)
    if isinstance(strategy, Strategy):
        return strategy
    msg = (
        f"strategy is {type(strategy).__name__}; expected a name such as 'listwise' "
        "or an object with a name and a plan() method."
    )
    raise InputError(msg)


@lru_cache(maxsize=256)  # strategies cannot be changed, so rankings may share one
def _parsed(text: str, names: tuple[object, ...]) -> Strategy:  # noqa: ARG001 - what names stand for depends on them
    return _Reader(text).strategy()


class _Reader:
    """Reads one spec string, which has the grammar of a Python expression but for the dashes in names."""

    def __init__(self, spec: str) -> None:
        self._spec = spec

    def strategy(self) -> Strategy:
        if len(self._spec) > _LONGEST:
            raise InputError(f"The strategy has {len(self._spec):,} characters; at most {_LONGEST:,} are read.")
        try:
            tree = ast.parse(_without_dashes(self._spec.strip()), mode="eval").body
            return self._strategy(tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if isinstance(error, InputError):
                raise
            raise self._unreadable() from None

    def _unreadable(self) -> InputError:
        shown = self._spec if len(self._spec) <= 200 else f"{self._spec[:200]}…"
        return InputError(f"The strategy {shown!r} cannot be read; expected {_FORM}.")

    def _strategy(self, node: ast.expr) -> Strategy:
        stages: list[Strategy] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift):
            stages.append(self._part(node.right))
            node = node.left
        first = self._part(node)
        return Cascade((first, *reversed(stages))) if stages else first

    def _part(self, node: ast.expr) -> Strategy:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            inner, keep = self._strategy(node.left), cast("int", self._value(node.right, int))
            return inner % keep if isinstance(inner, (Stage, Cascade)) else Stage(strategy=inner, keep=keep)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift):
            return self._strategy(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return parse(node.value)
        if isinstance(node, (ast.Name, ast.Call)):
            return cast("Strategy", self._built(node, "strategy", STRATEGIES))
        raise self._unreadable()

    def _value(self, node: ast.expr, hint: Any, option: str = "") -> object:
        """What an option of a type is set to: a strategy, a literal, or an object of `VALUES`."""
        if _takes_strategy(hint) and not (isinstance(node, ast.Constant) and node.value is None):
            return self._strategy(node)
        if isinstance(node, (ast.Call, ast.Name)):
            return self._built(node, "condition" if option == "when" else f"value of {option}", VALUES)
        if isinstance(node, (ast.List, ast.Tuple)):
            inner = next((part for part in get_args(_single(hint)) if part is not Ellipsis), Any)
            parts = [self._value(part, inner, option) for part in node.elts]
            return tuple(parts) if isinstance(node, ast.Tuple) or get_origin(_single(hint)) is tuple else parts
        if isinstance(node, ast.Dict) and None not in node.keys:
            keys = [ast.literal_eval(cast("ast.expr", key)) for key in node.keys]
            return dict(zip(keys, (self._value(value, Any, option) for value in node.values), strict=True))
        return ast.literal_eval(node)

    def _built(self, node: ast.Name | ast.Call, kind: str, registry: Registry[Callable[..., object]]) -> object:
        called, args, keywords = (node.func, node.args, node.keywords) if isinstance(node, ast.Call) else (node, [], [])
        if not isinstance(called, ast.Name):
            raise self._unreadable()
        name = called.id.replace("__", "-")
        try:
            factory = registry.get(name)
        except UnknownName:
            known = strategy_names() if registry is STRATEGIES else registry.names()
            raise UnknownName(kind, name, known) from None
        options = {option.name: option for option in options_of(factory)}
        positional = [option.name for option in options.values() if option.positional or factory is Stage][: len(args)]
        given = dict(zip(positional, args, strict=False)) | {str(keyword.arg): keyword.value for keyword in keywords}
        if len(given) < len(args) + len(keywords) or len(args) > (1 if factory is Stage else len(args)):
            raise self._unreadable()
        values: dict[str, object] = {}
        for option, value in given.items():
            if option not in options:
                raise UnknownName(f"option of {kind} {name!r}", option, options)
            values[option] = self._checked(f"{kind} {name!r}", options[option], value)
        if missing := [each.name for each in options.values() if each.name not in values and each.required]:
            raise InputError(f"{kind.capitalize()} {name!r} needs {', '.join(missing)}: {name}({missing[0]}=...).")
        return factory(**values)

    def _checked(self, owner: str, option: Option, node: ast.expr) -> object:
        value = self._value(node, option.hint, option.name)
        if isinstance(value, str) and Path in _alternatives(option.hint):
            return Path(value)
        if not _is_of(value, option.hint):
            given = "None" if value is None else type(value).__name__
            words = [repr(word) for part in _alternatives(option.hint) for word in _words(part)]
            if words and isinstance(value, str):
                raise InputError(f"{option.name} is {value!r}; {owner} takes {', '.join(words)}.")
            expected = ", ".join(words) or _named(option.hint)
            raise InputError(f"{option.name}={value!r} of {owner} is {given}; expected {expected}.")
        return value


# Strings, which stay as they are, or names with dashes.
_DASHED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<![\w.])([A-Za-z]\w*(?:-\w+)+)""", re.DOTALL)


def _without_dashes(spec: str) -> str:
    """The spec with dashed names as Python takes them."""
    return _DASHED.sub(lambda found: found[1] or found[2].replace("-", "__"), spec)


def _alternatives(hint: Any) -> Sequence[Any]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else [hint]


def _single(hint: Any) -> Any:
    """The type of a list in a hint, such as that of `Sequence[str] | None`."""
    return next((part for part in _alternatives(hint) if get_args(part) and get_origin(part) is not Literal), Any)


def _words(hint: Any) -> Sequence[Any]:
    return get_args(hint) if get_origin(hint) is Literal else ()


def _takes_strategy(hint: Any) -> bool:
    return any(
        part is Strategy or (isinstance(part, type) and part is not Any and issubclass(part, Composable))
        for part in _alternatives(hint)
    )


def _named(hint: Any) -> str:
    return " | ".join(str(getattr(part, "__name__", part)) for part in _alternatives(hint)).replace("NoneType", "None")


def _is_of(value: object, hint: Any) -> bool:
    """Whether a value is of a declared type. What is in a list or a mapping is for the strategy to check."""
    return any(_is_of_one(value, part) for part in _alternatives(hint))


def _is_of_one(value: object, hint: Any) -> bool:
    plain = get_origin(hint) or hint
    if plain in (Any, object) or isinstance(hint, (str, TypeVar)):
        return True
    if plain is Literal:
        return any(value == word and type(value) is type(word) for word in get_args(hint))
    if isinstance(value, (bool, int, float, str, NoneType)):
        return type(value) is plain or (value is None and plain is None) or (type(value) is int and plain is float)
    if isinstance(value, (list, tuple, Mapping)):
        return isinstance(value, plain)
    return plain not in (bool, int, float, str, NoneType)  # another object, which was made for this option
