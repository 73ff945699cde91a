"""Wheel and source checkout both find the prompts."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIST = "from judge_rerank.prompting.library import Library; print(' '.join(sorted(Library().names())))"


def names(**options: object) -> list[str]:
    done = subprocess.run([sys.executable, "-c", LIST], capture_output=True, text=True, check=True, **options)
    return done.stdout.split()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # A build writes beside what it builds, where another one may be under way.
    copy = shutil.copytree(ROOT, folder / "copy", ignore=shutil.ignore_patterns(".*", "build", "dist", "*.egg-info"))
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, copy],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_prompt_and_every_file_of_the_package(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    files = (path for path in (ROOT / "judge_rerank").rglob("*") if path.is_file())
    in_tree = {path.relative_to(ROOT).as_posix() for path in files if path.parent.name != "__pycache__"}
    prompts, shipped = ROOT / "prompts", tmp_path / "judge_rerank" / "prompts"
    pages = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    manual = tmp_path / "judge_rerank" / "manual"
    assert {page for page in pages if page.parts[0] not in ("site", "examples")} == {
        path.relative_to(manual) for path in manual.rglob("*.md")
    }
    assert in_tree <= {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert {p.relative_to(prompts) for p in prompts.rglob("*.j2")} == {
        p.relative_to(shipped) for p in shipped.rglob("*.j2")
    }


def test_the_wheel_and_the_checkout_name_the_same_prompts(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    # -P would drop the site's editable finder too; a path that comes first is enough.
    unpacked = names(cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), "PATH": ""})
    assert unpacked == names(cwd=ROOT)
    assert "binary/terse" in unpacked
