"""The command `judge-rerank`, also as `python -m judge_rerank`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        import rich as _rich
        import typer as _typer
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.stderr.write(
            f"error: The command line needs {error.name!r}, which is not installed. Run: pip install judge-rerank\n"
        )
        return 2
    del _rich, _typer

    from judge_rerank.cli import run
    from judge_rerank.core import collect_seldom

    collect_seldom()
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
