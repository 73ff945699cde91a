"""Names for things of one kind: what this package has, what other packages bring, and what a caller registers.

Nothing is imported to know a name: built-in things are found by the decorator that registers them, those of other
packages by their entry points. A module is imported when its name is asked for.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar, cast

from judge_rerank.core.errors import InputError, SetupError, UnknownName

T = TypeVar("T")
Thing = TypeVar("Thing")

PLUGINS_VARIABLE = "JUDGE_RERANK_PLUGINS"
"""Modules that register something, separated by commas: names to import, or paths of Python files."""

_NAME = re.compile(r"[a-z][a-z0-9_]*(-[a-z0-9_]+)*")
_OWN = "judge_rerank"


@dataclass(frozen=True, kw_only=True, slots=True)
class Addition:
    """Something that did not come with this package.

    Attributes:
        kind, name: what it is, and under which name.
        origin: the distribution or the module that it is from.
        problem: why it cannot be used; "" where it can.
    """

    kind: str
    name: str
    origin: str
    problem: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    """Where a thing is that was not imported yet."""

    root: str
    origin: str
    load: Callable[[], object]


class Registry(Generic[T]):
    """Things of one kind by name.

        strategies = Registry[type]("strategy", decorators=("strategy",), rooms=("judge_rerank.strategies",), ...)

        @strategies.register("merge")
        class Merge: ...

    A name stands for one thing. Taking one that is taken is an error, at once where it is registered by a decorator,
    and when the name is asked for where two packages bring it; both origins are named.

    Args:
        kind: what the things are, for messages.
        decorators: the names of the decorators that register built-in things, as they stand in their source.
        rooms: packages of ours whose modules are looked through for such decorators.
        groups: groups of entry points by which other packages bring theirs. An entry point's name is the thing's, and
            it leads to the thing, or to a module that registers it.

    Attributes:
        version: changes whenever a name may stand for something else, for caches of what names stand for.
    """

    def __init__(
        self, kind: str, *, decorators: Sequence[str], rooms: Sequence[str] = (), groups: Sequence[str] = ()
    ) -> None:
        self._kind, self._decorators, self._rooms, self._groups = kind, tuple(decorators), tuple(rooms), tuple(groups)
        self.version = 0
        self._things: dict[str, T] = {}
        self._names: dict[object, str] = {}
        self._sources: dict[str, list[_Source]] | None = None

    def register(self, name: str) -> Callable[[Thing], Thing]:
        """A decorator that registers what it is put on, and gives it back.

        Raises:
            InputError: it is no name, or another thing has it.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name) or "__" in name:  # pyright: ignore[reportUnnecessaryIsInstance]
            msg = (
                f"{name!r} is not a name for a {self._kind}; expected small letters and digits, joined by dashes: "
                "'merge'."
            )
            raise InputError(msg)

        def add(thing: Thing) -> Thing:
            self._check_free(name, thing)
            self._things[name] = cast("T", thing)
            self._names.setdefault(thing, name)
            self.version += 1
            return thing

        return add

    def get(self, name: str) -> T:
        """The thing of that name.

        Raises:
            UnknownName: there is none.
            InputError: two packages bring one of that name.
            SetupError: what brings it cannot be imported, or a module of JUDGE_RERANK_PLUGINS cannot.
        """
        _load_plugins()
        sources = self._found().get(name, [])
        self._check_contest(name, sources)
        if name not in self._things:
            if not sources:
                raise UnknownName(self._kind, name, self.names())
            self._load(name, sources[0])
        return self._things[name]

    def names(self) -> tuple[str, ...]:
        """All names, sorted; nothing is imported."""
        return tuple(sorted({*self._things, *self._found()}))

    def name_of(self, thing: object) -> str | None:
        """The name under which a thing is registered; None where it is not."""
        return self._names.get(thing)

    def forget(self) -> None:
        """Look for entry points anew when the next name is asked for: a package was installed meanwhile."""
        self._sources = None
        self.version += 1

    def additions(self) -> tuple[Addition, ...]:
        """What did not come with this package, imported to see whether it can be used."""
        imported_plugins()
        found: list[Addition] = []
        for name in self.names():
            origins = [source.origin for source in self._found().get(name, []) if source.root != _OWN]
            thing = self._things.get(name)
            if not origins and thing is not None and _root(thing) != _OWN:
                origins = [_module(thing)]
            for origin in origins:
                try:
                    self.get(name)
                    problem = ""
                except (InputError, SetupError) as error:
                    problem = str(error)
                found.append(Addition(kind=self._kind, name=name, origin=origin, problem=problem))
        return tuple(found)

    def _found(self) -> Mapping[str, list[_Source]]:
        if self._sources is None:
            sources: dict[str, list[_Source]] = {}
            for name, source in (*_built_in(self._rooms, self._decorators), *_brought(self._groups)):
                sources.setdefault(name, []).append(source)
            self._sources = sources
        return self._sources

    def _load(self, name: str, source: _Source) -> None:
        try:
            thing = source.load()
        except ImportError as error:
            msg = f"The {self._kind} {name!r} of {source.origin} cannot be imported: {error}."
            raise SetupError(msg) from error
        except Exception as error:
            msg = f"The {self._kind} {name!r} of {source.origin} cannot be loaded: {type(error).__name__}: {error}"
            raise SetupError(msg) from error
        if name in self._things:
            return
        if source.root == _OWN or not callable(thing):
            msg = f"The {self._kind} {name!r} of {source.origin} is not there: {source.origin} registers none."
            raise SetupError(msg)
        self.register(name)(thing)

    def _check_free(self, name: str, thing: object) -> None:
        own = _root(thing) == _OWN
        taken = [] if own else [source for source in self._found().get(name, []) if source.root != _root(thing)]
        other = self._things.get(name)
        if other is not None and _place(other) != _place(thing):
            origin = _module(other)
        elif taken:
            origin = taken[0].origin
        else:
            return
        raise InputError(self._taken(name, [origin, _module(thing)]))

    def _check_contest(self, name: str, sources: Sequence[_Source]) -> None:
        origins = list(dict.fromkeys(source.origin for source in sources))
        if len(origins) > 1:
            raise InputError(self._taken(name, origins))

    def _taken(self, name: str, origins: Sequence[str]) -> str:
        return (
            f"The name {name!r} is registered twice: by a {self._kind} of {origins[0]}, and by one of {origins[1]}. "
            "Rename one of them, or uninstall the package that has it."
        )


def _built_in(rooms: Iterable[str], decorators: Sequence[str]) -> Iterable[tuple[str, _Source]]:
    """Name and module of everything that a decorator in the source of these rooms registers."""
    mark = re.compile(rf'^@(?:{"|".join(decorators)})\("([^"]+)"\)', re.MULTILINE)
    for room in rooms:
        package = importlib.util.find_spec(room)
        for module in iter_modules(package.submodule_search_locations if package is not None else ()):
            name = f"{room}.{module.name}"
            # From the finder, since `importlib.util.find_spec` would import the room.
            spec = cast("Any", module.module_finder).find_spec(name, None)
            for thing in mark.findall(spec.loader.get_source(name) or ""):
                yield thing, _Source(root=_OWN, origin=name, load=lambda name=name: import_module(name))


def _brought(groups: Iterable[str]) -> Iterable[tuple[str, _Source]]:
    """Name and source of everything that other distributions bring by entry points."""
    for group in groups:
        # The same distribution may be found twice, such as where it is installed and in the folder at hand.
        for entry in dict.fromkeys(entry_points(group=group)):
            yield entry.name, _Source(root=entry.module.partition(".")[0], origin=_distribution(entry), load=entry.load)


def _distribution(entry: EntryPoint) -> str:
    name = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unnamed distribution"
    return f"the distribution {name} ({entry.value})"


_loaded: dict[str, str] = {}


def imported_plugins() -> Mapping[str, str]:
    """By module of JUDGE_RERANK_PLUGINS, each imported once, why it cannot be imported; "" where it can."""
    named = [part.strip() for part in os.environ.get(PLUGINS_VARIABLE, "").split(",")]
    for module in filter(None, named):
        if module in _loaded:
            continue
        _loaded[module] = ""  # before the import, which may ask for a name itself
        try:
            _import_file(Path(module).expanduser()) if module.endswith(".py") else import_module(module)
        except Exception as error:
            _loaded[module] = f"{type(error).__name__}: {error}"
    return {module: _loaded[module] for module in filter(None, named)}


def _load_plugins() -> None:
    for module, problem in imported_plugins().items():
        if problem:
            msg = f"{PLUGINS_VARIABLE} names {module!r}, which cannot be imported: {problem}"
            raise SetupError(msg)


def _import_file(path: Path) -> None:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        msg = f"there is no file {path}"
        raise ImportError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)


def _module(thing: object) -> str:
    return str(getattr(thing, "__module__", type(thing).__module__))


def _root(thing: object) -> str:
    return _module(thing).partition(".")[0]


def _place(thing: object) -> tuple[str, str]:
    """Where a thing is defined; a module that is loaded again defines the same ones."""
    return _module(thing), str(getattr(thing, "__qualname__", repr(thing)))
