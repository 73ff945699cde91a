"""How the reference shows `Attributes:` sections: a name an entry, with what a class has from its base classes.

In a docstring, names that share a sentence stand together ("calls, rounds: ..."), and an attribute of a base class
is described there alone. A reader of the reference looks for one name, on the page of one class.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Class, DocstringAttribute, DocstringSectionAttributes, Extension, Module


class Attributes(Extension):
    """Completes the sections once all of the package is loaded."""

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Split what stands together; then add, class by class, what is inherited."""
        classes = list(_classes(pkg))
        for each in classes:
            if (section := _section(each)) is not None:
                section.value = [one for entry in section.value for one in _apart(each, entry)]
        own = {each.path: list(section.value) for each in classes if (section := _section(each)) is not None}
        for each in classes:
            if "dataclass" in each.labels and each.docstring is not None:
                _inherit(each, own)


def _classes(module: Module) -> list[Class]:
    members = [member for member in module.members.values() if not member.is_alias]
    found = [member for member in members if isinstance(member, Class)]
    return found + [each for member in members if isinstance(member, Module) for each in _classes(member)]


def _section(kind: Class) -> DocstringSectionAttributes | None:
    sections = kind.docstring.parsed if kind.docstring is not None else []
    return next((each for each in sections if isinstance(each, DocstringSectionAttributes)), None)


def _apart(kind: Class, entry: DocstringAttribute) -> list[DocstringAttribute]:
    """An entry for each name; the parser takes all but the first for the type of it."""
    if not entry.name.endswith(","):
        return [entry]
    names = [entry.name.rstrip(","), *re.findall(r"\w+", str(entry.annotation))]
    return [
        DocstringAttribute(name=name, annotation=_type(kind, name), description=entry.description) for name in names
    ]


def _type(kind: Class, name: str) -> Any:
    member = kind.all_members.get(name)
    return None if member is None else getattr(member, "annotation", None)


def _inherit(kind: Class, own: dict[str, list[DocstringAttribute]]) -> None:
    """Add the fields of base classes that the class does not describe itself, nearest base first."""
    section = _section(kind)
    described = {entry.name for entry in own.get(kind.path, ())}
    added: list[DocstringAttribute] = []
    for base in kind.mro():
        for entry in own.get(base.path, ()):
            if entry.name not in described:
                described.add(entry.name)
                added.append(entry)
    if not added:
        return
    if section is None:
        section = DocstringSectionAttributes([])
        sections = kind.docstring.parsed if kind.docstring is not None else []
        sections.append(section)
    section.value = [*section.value, *added]
