"""Builds the manual as a site, without a network: `python docs/site/build.py [FOLDER]`, or `make docs`.

The pages of docs/, those that are made from the package and from the benchmarks, and the navigation are put together in
a folder of their own in build/, with all links turned to their places there. Zensical makes the site from that, and
stops at a link or an anchor that leads nowhere.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import benchmarks
import notebooks
import reference
import yaml
from links import led_to_pages

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

COPIED = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md", "security-policy.md": "SECURITY.md"}
"""Pages of the site that stand at the top of the repository."""
SHIM, SHIM_ADDRESS = "iframe-worker.js", "https://unpkg.com/iframe-worker/shim"
_LEFT_OUT = ("site", "examples")


def main(target: Path) -> int:
    """Put the pages together, and make the site in `target`."""
    (ROOT / "build").mkdir(exist_ok=True)
    # Two that build at once must not see each other's pages and caches.
    with TemporaryDirectory(prefix="manual-", dir=ROOT / "build") as folder:
        return built(Path(folder), target)


def built(folder: Path, target: Path) -> int:
    """As in `main`, with the pages in `folder`, two below the top of the repository."""
    assemble(folder / "docs")
    settings = yaml.safe_load((HERE / "site.yml").read_text("utf-8"))
    pages = {str(path.relative_to(folder / "docs")) for path in (folder / "docs").rglob("*.md")}
    settings["nav"] = navigation(settings["nav"], pages)
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "-f", str(folder / "mkdocs.yml")]
    failed = subprocess.run(command, cwd=folder, check=False).returncode
    if not failed:
        finish(folder / "site")
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(folder / "site", target)
    return failed


def finish(site: Path) -> None:
    """Let the pages search without a server and without a network."""
    shutil.copyfile(HERE / "vendor" / SHIM, site / "assets" / SHIM)
    for page in site.rglob("*.html"):
        up = "../" * len(page.relative_to(site).parents[:-1])
        text = page.read_text("utf-8")
        page.write_text(text.replace(SHIM_ADDRESS, f"{up}assets/{SHIM}"), encoding="utf-8")


def assemble(folder: Path) -> None:
    """Write every page of the site to a folder."""
    texts, sources = _texts()
    moved = {source: page for page, source in sources.items() if not source.startswith("docs/")}
    moved["README.md"] = "index.md"
    files = [path for path in _files() if path.suffix not in (".md", ".ipynb")]
    places = {*texts, *(str(path.relative_to(ROOT / "docs")) for path in files)}
    for page, text in texts.items():
        source = sources.get(page, f"docs/{page}")
        path = folder / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(led_to_pages(text, page=page, source=source, moved=moved, pages=places), encoding="utf-8")
    for path in files:
        copy = folder / path.relative_to(ROOT / "docs")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def navigation(entries: list[Any], pages: Collection[str]) -> list[Any]:
    """The navigation; a folder with a final slash becomes the list of the pages in it, its index first."""
    return [_expanded(entry, pages) for entry in entries]


def _expanded(entry: Any, pages: Collection[str]) -> Any:
    if not isinstance(entry, dict):
        return entry
    [(title, content)] = entry.items()
    if isinstance(content, list):
        return {title: navigation(content, pages)}
    if not content.endswith("/"):
        return entry
    inside = sorted(page for page in pages if page.startswith(content))
    return {title: sorted(inside, key=lambda page: not page.endswith("/index.md"))}


def _texts() -> tuple[dict[str, str], dict[str, str]]:
    """The pages, and where those that are not in docs/ stand in the repository."""
    results = sorted((ROOT / "eval" / "results").glob("*.md"))
    sources = {page: name for page, name in COPIED.items() if (ROOT / name).exists()}
    sources |= {f"benchmarks/{path.name}": str(path.relative_to(ROOT)) for path in results}
    texts = {page: (ROOT / name).read_text("utf-8") for page, name in sources.items()}
    texts |= {
        str(path.relative_to(ROOT / "docs")): path.read_text("utf-8") for path in _files() if path.suffix == ".md"
    }
    texts |= notebooks.pages([path for path in _files() if path.suffix == ".ipynb"], ROOT / "docs")
    return texts | reference.pages() | {"benchmarks/index.md": benchmarks.index(results)}, sources


def _files() -> list[Path]:
    docs = ROOT / "docs"
    return sorted(
        path for path in docs.rglob("*") if path.is_file() and path.relative_to(docs).parts[0] not in _LEFT_OUT
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "build" / "site"))
