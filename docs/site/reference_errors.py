"""The page of errors: each with what it means, what it derives from, and the codes that stand for it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from judge_rerank import RerankError
from judge_rerank.cli.exit_codes import of_error
from judge_rerank.server.problems import problem_of

_HEAD = """# Errors

Every error of the package is a `RerankError`. Its message says what was wrong, what was expected and what to do, and
holds no key. The tree shows what an `except` clause catches. [Each error](api/errors.md) has its attributes there.

| error | caught as | what it means | exit code | HTTP |
|---|---|---|---|---|
"""


def errors_page() -> str:
    """The table of all errors, in the order of the tree."""
    return _HEAD + "\n".join(_row(kind, depth) for kind, depth in _tree(RerankError, 0)) + "\n"


def _tree(kind: type[RerankError], depth: int) -> Iterator[tuple[type[RerankError], int]]:
    yield kind, depth
    for each in kind.__subclasses__():
        if each.__module__.startswith("judge_rerank.core"):
            yield from _tree(each, depth + 1)


def _row(kind: type[RerankError], depth: int) -> str:
    bare = kind.__new__(kind)
    Exception.__init__(bare, "")
    meaning = " ".join((kind.__doc__ or "").partition("\n\n")[0].split())
    bases = ", ".join(f"`{base.__name__}`" for base in kind.__bases__ if base is not Exception)
    shown = "&nbsp;" * 4 * depth + f"`{kind.__name__}`"
    return f"| {shown} | {bases} | {meaning} | {_exit_code(bare)} | {_status(bare)} |"


def _exit_code(error: RerankError) -> str:
    try:
        return str(of_error(error))
    except AttributeError:  # that of the rankings it holds
        return "3, 4"


def _status(error: RerankError) -> str:
    try:
        return str(problem_of(error).status)
    except AttributeError:
        return ""
