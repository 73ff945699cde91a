"""`judge-rerank cache`: what the reply cache holds, and whether it is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from judge_rerank.cli import options
from judge_rerank.cli.judging import store_address
from judge_rerank.cli.output import counted, emit, note

app = typer.Typer(no_args_is_help=True, help="Inspect, check or empty the cache of replies.")

_FOUND_BAD = 1

Folder = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        metavar="FOLDER",
        help="The folder of the cache. (default: $JUDGE_RERANK_CACHE_DIR, else the system's folder for caches)",
        show_default=False,
    ),
]


@app.command("info")
def info(folder: Folder = None, store: options.Store = None) -> None:
    """Show the folder, the contents and the hits of the cache."""
    path = _path(folder, store)
    if not _exists(path):
        return
    from judge_rerank.cache import ReplyCache

    with ReplyCache(path) as cache:
        found = cache.info()
    looked = found.hits + found.misses
    share = f" of {counted(looked, 'look-up')} ({found.hits / looked:.0%})" if looked else ""
    emit(f"folder    {found.folder}\nreplies   {found.entries:,}\nsize      {size_text(found.bytes)}\n")
    emit(f"hits      {found.hits:,}{share}\n")
    for aside in found.set_aside:
        emit(f"set aside {aside}\n")


@app.command("clear")
def clear(folder: Folder = None, store: options.Store = None) -> None:
    """Delete every reply in the cache, and the damaged files that were set aside."""
    path = _path(folder, store)
    if not _exists(path):
        return
    from judge_rerank.cache import ReplyCache

    with ReplyCache(path) as cache:
        emit(f"deleted {counted(cache.clear(), 'reply', 'replies')}\n")


@app.command("verify")
def verify(
    folder: Folder = None,
    store: options.Store = None,
    keep: Annotated[bool, typer.Option("--keep", help="Report bad entries without deleting them.")] = False,
) -> None:
    """Check every reply against its checksum and delete bad ones. Exit code 0 if all are intact, else 1."""
    path = _path(folder, store)
    if not _exists(path):
        return
    from judge_rerank.cache import ReplyCache

    with ReplyCache(path) as cache:
        found = cache.verify(remove=not keep)
    emit(f"{counted(found.checked, 'reply', 'replies')} checked, {found.bad} bad, {found.removed} deleted\n")
    for file in found.set_aside:
        emit(f"the file was damaged and set aside: {file}\n")
    if found.bad or found.set_aside:
        raise typer.Exit(_FOUND_BAD)


def _path(folder: Path | None, store: str | None) -> Path | str:
    from judge_rerank.storage import cache_dir as cache_folder

    return folder.expanduser() if folder else store_address(store) or cache_folder()


def _exists(path: Path | str) -> bool:
    if isinstance(path, str):
        from judge_rerank.cache import require_shared_cache

        require_shared_cache(path)
        return True
    if (path / "replies").is_dir():
        return True
    note(f"There is no cache in {path}.")
    return False


def size_text(size: float) -> str:
    """Bytes for people."""
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.0f} bytes" if units[0] == "bytes" else f"{size:.1f} {units[0]}"
