"""Which packages are installed, by what they are needed for: as the metadata of this package has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires, version

CORE = "core"
"""What every install has."""

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:[^;]*;.*\bextra == ['\"](?P<extra>[\w.-]+)['\"])?")
_OWN = "judge-rerank"
_FOR_CONTRIBUTORS = ("dev", "docs")


def installed(package: str = _OWN) -> str | None:
    """The version of an installed package, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def packages() -> dict[str, dict[str, str | None]]:
    """By extra, the packages that it adds, with the version of each that is installed."""
    try:
        needed = requires(_OWN) or ()
    except PackageNotFoundError:  # it runs from a folder
        return {}
    found: dict[str, dict[str, str | None]] = {CORE: {}}
    for line in needed:
        match = _REQUIREMENT.match(line)
        if match is None or match["name"] == _OWN or match["extra"] in _FOR_CONTRIBUTORS:
            continue
        found.setdefault(match["extra"] or CORE, {})[match["name"]] = installed(match["name"])
    return found


def packages_text(found: Mapping[str, Mapping[str, str | None]]) -> str:
    """What is installed, a line for each extra; the other extras in the last line."""
    whole = {extra: names for extra, names in found.items() if None not in names.values()}
    lines = [f"{extra}: {', '.join(f'{name} {at}' for name, at in names.items())}" for extra, names in whole.items()]
    if missing := [extra for extra in found if extra not in whole]:
        lines.append(f"not installed: {', '.join(missing)}. Run: pip install 'judge-rerank[NAME]'")
    return "\n".join(lines)
