"""Where models are found, and what is said when they are not."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from judge_rerank.core.errors import ModelUnavailable, UnknownName
from judge_rerank.models import DEFAULT_JUDGE
from judge_rerank.models import locations as models
from judge_rerank.models.registry import HubFile, Model, ModelFile
from judge_rerank.models.verified import is_registered, remember
from judge_rerank.storage import cache_dir


def place(folder: Path, model: Model, *, short_by: int = 0, verified: bool = True) -> None:
    """Files of the right name and size, which take no room on the disk, and count as verified."""
    for file in model.files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            out.truncate(file.size_bytes - short_by)
        if verified:
            remember(path, file)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("JUDGE_RERANK_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("JUDGE_RERANK_MODELS", raising=False)
    return tmp_path / "cache"


@pytest.mark.parametrize("model", models.REGISTRY.values(), ids=lambda model: model.name)
def test_registry_entries_can_be_fetched_and_verified(model: Model) -> None:
    assert model.licence
    assert model.description
    for file in model.files:
        assert len(bytes.fromhex(file.sha256)) == 32
        assert file.size_bytes > 0
        assert not Path(file.name).is_absolute()
        kinds = [isinstance(source, HubFile) for source in file.sources]
        assert kinds
        assert kinds == sorted(kinds, reverse=True), "the hub is tried before the package index"


def test_the_default_judge_is_in_the_registry() -> None:
    assert models.model_named(DEFAULT_JUDGE).task == "judge"


def test_a_one_file_model_is_its_file_and_another_its_folder(cache: Path) -> None:
    for name in ("smollm2-135m", "all-minilm-l6-v2"):
        place(cache / "models" / name, models.model_named(name))
    assert models.find_model("smollm2-135m") == cache / "models" / "smollm2-135m" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert models.find_model("all-minilm-l6-v2") == cache / "models" / "all-minilm-l6-v2"
    assert list(models.installed_models()) == ["smollm2-135m", "all-minilm-l6-v2"]


def test_a_model_that_is_not_here_names_the_command() -> None:
    with pytest.raises(ModelUnavailable, match=r"judge-rerank models pull smollm2-135m \(98 MB\)"):
        models.find_model("smollm2-135m")
    assert not models.installed_models()


def test_a_file_of_another_size_is_called_damaged(cache: Path) -> None:
    place(cache / "models" / "smollm2-135m", models.model_named("smollm2-135m"), short_by=1)
    with pytest.raises(ModelUnavailable, match=r"damaged: it has 98,362,431 bytes, expected were 98,362,432\. Run: "):
        models.find_model("smollm2-135m")


def test_another_file_of_the_same_name_and_size_is_not_the_model(cache: Path, tmp_path: Path) -> None:
    place(cache / "models" / "smollm2-135m", models.model_named("smollm2-135m"), verified=False)
    with pytest.raises(ModelUnavailable, match=r"damaged: its SHA-256 is not the one expected, b179c9.*\. Run: "):
        models.find_model("smollm2-135m")
    assert not models.installed_models()


def test_a_hash_is_reckoned_once_for_a_file_that_does_not_change(cache: Path, tmp_path: Path) -> None:
    path, content = tmp_path / "model.bin", b"weights"
    path.write_bytes(content)
    file = ModelFile(name="model.bin", size_bytes=7, sha256=hashlib.sha256(content).hexdigest(), sources=())
    assert is_registered(path, file)
    first = path.stat()
    path.write_bytes(b"others!")
    os.utime(path, ns=(first.st_atime_ns, first.st_mtime_ns))
    assert is_registered(path, file)  # by what is remembered, which is not read again
    path.touch()
    assert not is_registered(path, file)
    (cache / "models" / "verified.json").write_text("[damaged")
    path.write_bytes(content)
    assert is_registered(path, file)
    path.unlink()
    assert not is_registered(path, file)


def test_what_cannot_be_remembered_is_reckoned_each_time(cache: Path, tmp_path: Path) -> None:
    cache.write_text("no folder")
    (tmp_path / "a").write_bytes(b"a")
    file = ModelFile(name="a", size_bytes=1, sha256=hashlib.sha256(b"a").hexdigest(), sources=())
    assert is_registered(tmp_path / "a", file)


@pytest.mark.parametrize("inner", ["", "smollm2-135m"])
def test_the_users_own_folders_come_first(
    inner: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models.model_named("smollm2-135m")
    place(cache / "models" / model.name, model)
    place(tmp_path / "mirror" / inner, model)
    monkeypatch.setenv("JUDGE_RERANK_MODELS", os.pathsep.join(["/nowhere", str(tmp_path / "mirror")]))
    assert models.find_model(model.name) == tmp_path / "mirror" / inner / model.files[0].name


def test_paths(tmp_path: Path) -> None:
    path = tmp_path / "own.gguf"
    with pytest.raises(ModelUnavailable, match="No model file"):
        models.find_model(path)
    path.touch()
    assert models.find_model(str(path)) == models.find_model(path) == path


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'smollm2-135m'"):
        models.find_model("smollm-135m")


def test_the_cache_folder_is_the_systems_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_RERANK_CACHE_DIR")
    assert cache_dir().name == "judge-rerank"
    assert models.folder_of(Model(name="x", task="judge", description="", licence="", files=(FILE,))).name == "x"


FILE = ModelFile(name="a", size_bytes=1, sha256="", sources=())
