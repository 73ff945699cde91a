"""The manual as a site: it builds, nothing public is missing, the first hit of a search answers, notebooks run."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

import judge_rerank
from judge_rerank.cli import build
from tests.browser import installed
from tests.examples import ROOT
from tests.provider import Provider, QrelsJudge

# One process builds the site, for all of them.
pytestmark = pytest.mark.xdist_group("site")

SITE = ROOT / "docs" / "site"
CODE = sorted((ROOT / "judge_rerank").rglob("*.py"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    done = in_folder(SITE / "build.py", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "griffe:" not in done.stdout + done.stderr  # a docstring says something that is not so
    return folder


def in_folder(script: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.slow
def test_every_public_name_has_an_entry(site: Path) -> None:
    pages = "".join(page.read_text("utf-8") for page in (site / "reference" / "api").glob("*.html"))
    missing = [name for name in judge_rerank.__all__ if f'id="judge_rerank.{name}"' not in pages]
    assert not missing


@pytest.mark.slow
def test_every_attribute_has_an_entry_also_those_of_base_classes(site: Path) -> None:
    api = site / "reference" / "api"
    pages = "".join(page.read_text("utf-8") for page in api.glob("*.html"))
    assert not re.search(r"<b><code>(<[^>]+>)*\w+,<", pages)
    strategies = (api / "strategies.html").read_text("utf-8")
    of_binary = strategies.partition('id="judge_rerank.Binary"')[2].partition('id="judge_rerank.Blitz"')[0]
    assert all(f">{name}</" in of_binary for name in ("batch_size", "explain", "model"))
    judge = (api / "judge.html").read_text("utf-8")
    assert judge.index('id="judge_rerank.Judge.rerank"') < judge.index('id="judge_rerank.Judge.limit"')


@pytest.mark.slow
def test_every_command_has_a_page_and_every_error_a_row(site: Path) -> None:
    commands = get_command(build()).list_commands(None)  # type: ignore[attr-defined,arg-type]
    assert {f"{name}.html" for name in commands} <= {page.name for page in (site / "reference" / "commands").iterdir()}
    errors = (site / "reference" / "errors.html").read_text("utf-8")
    kinds = [name for name in judge_rerank.__all__ if is_error(getattr(judge_rerank, name))]
    assert len(kinds) > 15
    assert [kind for kind in kinds if f">{kind}<" not in errors] == []


def is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, judge_rerank.RerankError)


@pytest.mark.slow
def test_the_pages_ask_for_nothing_from_the_network(site: Path) -> None:
    asked = re.compile(r"""<(?:script|link|img)[^>]+(?:src|href)="?(https?://[^"> ]+)""")
    found = {address for page in site.rglob("*.html") for address in asked.findall(page.read_text("utf-8"))}
    assert not found


def test_every_variable_that_the_code_reads_is_described() -> None:
    read = {name for path in CODE for name in re.findall(r'"(JUDGE_RERANK_[A-Z_]+)"', path.read_text("utf-8"))}
    described = (ROOT / "docs" / "files.md").read_text("utf-8")
    assert len(read) > 6
    assert [name for name in sorted(read) if f"`{name}`" not in described] == []


def test_drawings_are_those_that_the_script_makes() -> None:
    done = in_folder(SITE / "drawings.py", "--check")
    assert done.returncode == 0, done.stdout


@pytest.fixture
def provider() -> Iterator[str]:
    with Provider(QrelsJudge({})) as running:
        yield f"{running.url}/v1"


@pytest.mark.slow
def test_notebooks_run(provider: str, tmp_path: Path) -> None:
    address = {"OPENAI_API_BASE": provider, "OPENAI_BASE_URL": provider, "OPENAI_API_KEY": "sk-loopback"}
    done = in_folder(SITE / "run_notebooks.py", "--check", JUDGE_RERANK_MODEL="openai/gpt-6-luna", **address)
    assert done.returncode == 0, done.stderr
    assert "ran rag.ipynb" in done.stdout


def test_notebooks_hold_what_they_printed_and_no_folder_of_a_machine() -> None:
    for path in (ROOT / "docs" / "notebooks").glob("*.ipynb"):
        text = path.read_text("utf-8")
        assert '"output_type": "stream"' in text
        assert "/site-packages/" not in text


def test_there_is_a_command_for_the_site() -> None:
    assert shutil.which("make") is None or "docs/site/build.py" in (ROOT / "Makefile").read_text("utf-8")


ASKED = {
    "use ollama": "questions.html",
    "relevance score None": "questions.html",
    "rate limit 429": "questions.html",
    "Cohere compatible endpoint": "questions.html",
    "cap spending": "how-to/cap-spending.html",
}
"""What people ask in the issues of other rerankers, and the page that answers."""


@pytest.mark.slow
@pytest.mark.skipif(installed() is None, reason="Chromium is not installed")
def test_the_first_hit_of_a_search_answers_without_a_network(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SITE))
    from look import search  # type: ignore[import-not-found]

    found = search(list(ASKED), site)
    assert {question: links[:1] and page_of(links[0], site) for question, links in found.items()} == ASKED


def page_of(link: str, site: Path) -> str:
    return re.sub(r"[?#].*", "", link).removeprefix(site.as_uri() + "/")
