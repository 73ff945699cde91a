"""From a name or a spec string to a strategy: `"listwise"`, `"bm25 % 50 >> score(batch_size=5) % 20 >> listwise"`."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, cast

from judge_rerank.core import InputError, Strategy, UnknownName
from judge_rerank.strategies.cascade import Cascade, Stage

_STRATEGIES = {
    "adaptive": "strategies.adaptive:Adaptive",
    "api": "strategies.api:RerankAPI",
    "auto": "routing.auto:Auto",
    "binary": "strategies.binary:Binary",
    "blitz": "strategies.blitz:Blitz",
    "bm25": "scorers.bm25:BM25",
    "cascade": "routing.auto:DefaultCascade",
    "colbert": "scorers.colbert:ColBERT",
    "cross-encoder": "scorers.cross_encoder:CrossEncoder",
    "distilled": "scorers.distilled:Distilled",
    "embedding": "scorers.embedding:Embedding",
    "embedding-api": "strategies.api:EmbeddingAPI",
    "first": "strategies.first:First",
    "hybrid": "strategies.hybrid:Hybrid",
    "flashrank": "scorers.flashrank:FlashRank",
    "joint": "strategies.joint:Joint",
    "listwise": "strategies.listwise:Listwise",
    "none": "strategies.unchanged:Unchanged",
    "pairwise": "strategies.pairwise:Pairwise",
    "partition": "strategies.partition:Partition",
    "passages": "strategies.passages:Passages",
    "score": "strategies.score:Score",
    "self-consistent": "strategies.self_consistent:SelfConsistent",
    "setwise": "strategies.setwise:Setwise",
    "stage": "strategies.cascade:Stage",
    "tournament": "strategies.tournament:Tournament",
}
# What may stand in `stage(when=...)`.
_CONDITIONS = {"class-is": "routing.auto:ClassIs", "unsure": "strategies.cascade:Unsure"}

_LONGEST = 2_000
_FORM = "name(option=value, ...), with % N for what is kept and >> for what comes then"


def strategy_names() -> tuple[str, ...]:
    """The names that `strategy=` understands, sorted."""
    return tuple(sorted(set(_STRATEGIES) - {"stage"}))


def resolve(strategy: object) -> Strategy:
    """The strategy that a name, a spec string or an object stands for.

    A spec string is an expression of names: `bm25 % 50` keeps the best 50, `one >> other` goes on with what is kept,
    `name(option=value)` sets options, `stage(score, fuse=0.5, when=unsure(margin=0.1))` those of a stage.

    Raises:
        UnknownName: no strategy, or no option of it, has that name.
        InputError: the spec string cannot be read, or an option's value is out of range.
    """
    if isinstance(strategy, str):
        return _Reader(strategy).strategy()
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
        return InputError(f"The strategy {self._spec!r} cannot be read; expected {_FORM}.")

    def _strategy(self, node: ast.expr) -> Strategy:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift):
            return Cascade((self._strategy(node.left), self._strategy(node.right)))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            inner, keep = self._strategy(node.left), self._value(node.right)
            if isinstance(inner, (Stage, Cascade)):
                return inner % cast("int", keep)
            return Stage(strategy=inner, keep=cast("int", keep))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return resolve(node.value)
        if isinstance(node, (ast.Name, ast.Call)):
            return cast("Strategy", self._built(node, "strategy", _STRATEGIES))
        raise self._unreadable()

    def _value(self, node: ast.expr) -> object:
        """What an option is set to: a literal, or a condition."""
        if isinstance(node, ast.Call):
            return self._built(node, "condition", _CONDITIONS)
        return ast.literal_eval(node)

    def _built(self, node: ast.Name | ast.Call, kind: str, known: Mapping[str, str]) -> object:
        called, args, keywords = (node.func, node.args, node.keywords) if isinstance(node, ast.Call) else (node, [], [])
        if not isinstance(called, ast.Name):
            raise self._unreadable()
        name = called.id.replace("__", "-")
        if name not in known:
            raise UnknownName(kind, name, strategy_names() if known is _STRATEGIES else known)
        factory = _factory(known[name])
        fields = {f.name: f for f in dataclasses.fields(cast("Any", factory))}
        given = dict(zip(fields, args, strict=False)) | {str(keyword.arg): keyword.value for keyword in keywords}
        if len(given) < len(args) + len(keywords) or (args and not _takes_positional(factory, len(args))):
            raise self._unreadable()
        options: dict[str, object] = {}
        for option, value in given.items():
            if option not in fields:
                raise UnknownName(f"option of {kind} {name!r}", option, fields)
            options[option] = self._option(f"{kind} {name!r}", fields[option], value)
        if missing := [f.name for f in fields.values() if f.name not in options and _is_required(f)]:
            raise InputError(f"{kind.capitalize()} {name!r} needs {', '.join(missing)}: {name}({missing[0]}=...).")
        return factory(**options)

    def _option(self, owner: str, field: dataclasses.Field[Any], node: ast.expr) -> object:
        annotation = str(field.type)
        if annotation == "Strategy":
            return self._strategy(node)
        value = self._value(node)
        if not (annotation.startswith("Literal[") and isinstance(value, str)):  # which words: the strategy checks
            _check_type(owner, field.name, value, annotation)
        return value


# Strings, which stay as they are, or names with dashes.
_DASHED = re.compile(r"""("[^"]*"|'[^']*')|([A-Za-z]\w*(?:-[A-Za-z]\w*)+)""")


def _without_dashes(spec: str) -> str:
    """The spec with dashed names as Python takes them."""
    return _DASHED.sub(lambda found: found[1] or found[2].replace("-", "__"), spec)


def _factory(place: str) -> Callable[..., object]:
    module, _, attribute = place.partition(":")
    return getattr(import_module(f"judge_rerank.{module}"), attribute)


def _takes_positional(factory: Callable[..., object], count: int) -> bool:
    """Whether the first `count` options may be given without their names; `stage` takes its strategy so."""
    if factory is Stage:
        return count == 1
    parameters = inspect.signature(factory).parameters.values()
    return sum(parameter.kind is not parameter.KEYWORD_ONLY for parameter in parameters) >= count


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _check_type(owner: str, option: str, value: object, annotation: str) -> None:
    allowed = {part.strip().partition("[")[0] for part in annotation.split("|")}
    given = "None" if value is None else type(value).__name__
    if allowed & {"Condition", "Any"} and not isinstance(value, (str, int, float)):
        return
    if allowed & {"Mapping", "Sequence"} and isinstance(value, (dict, list, tuple)):
        return
    if given not in allowed and (given, "float" in allowed) != ("int", True):
        msg = f"{option}={value!r} of {owner} is {given}; expected {annotation}."
        raise InputError(msg)
