"""The head of a GGUF file, whole and damaged."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank.core.errors import ModelUnavailable
from judge_rerank.models.gguf import Head, read_head


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def head(entries: list[tuple[str, int, bytes]], *, version: int = 3) -> bytes:
    """A head with these entries: name, kind of value, value as it is stored."""
    body = b"".join(text(name) + struct.pack("<I", kind) + value for name, kind, value in entries)
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(entries)) + body


TOKENS = {"<|end|>": 3, "hello": 1, "<tool>": 4, "  ": 4, "</s>": 3}
ENTRIES = [
    ("general.name", 8, text("a model")),
    ("general.scale", 6, struct.pack("<f", 0.5)),
    ("general.tags", 9, struct.pack("<IQ", 9, 1) + struct.pack("<IQ", 8, 1) + text("nested")),
    ("llama.context_length", 4, struct.pack("<I", 2048)),
    ("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, len(TOKENS)) + b"".join(map(text, TOKENS))),
    (
        "tokenizer.ggml.token_type",
        9,
        struct.pack("<IQ", 5, len(TOKENS)) + struct.pack(f"<{len(TOKENS)}i", *TOKENS.values()),
    ),
    ("tokenizer.chat_template", 8, text("{{ messages }}")),
]
WHOLE = head(ENTRIES)


def read(content: bytes, folder: Path) -> Head:
    path = folder / "model.gguf"
    path.write_bytes(content)
    return read_head(path)


def test_what_it_says(tmp_path: Path) -> None:
    assert read(WHOLE, tmp_path) == Head(context_tokens=2048, control_tokens=("<|end|>", "<tool>", "</s>"))


def test_it_may_say_nothing(tmp_path: Path) -> None:
    assert read(head([]), tmp_path) == Head(context_tokens=None, control_tokens=())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not a GGUF file"),
        (b"PK\x03\x04 a zip file", "not a GGUF file"),
        (b"GGUF", "damaged or incomplete"),
        (head([], version=1), "damaged or incomplete"),
        (head([("x", 77, b"")]), "damaged or incomplete"),
        (head([("x", 9, struct.pack("<IQ", 4, 2**62))]), "damaged or incomplete"),
        (head([("x", 8, struct.pack("<Q", 2**63))]), "damaged or incomplete"),
    ],
)
def test_what_is_no_model_file(content: bytes, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=problem):
        read(content, tmp_path)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(ModelUnavailable, match="cannot be read"):
            read_head(path)


@given(cut=st.integers(min_value=0, max_value=len(WHOLE)), noise=st.binary(max_size=60))
def test_damage_is_an_error_of_ours(cut: int, noise: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    with suppress(ModelUnavailable):
        read(WHOLE[:cut] + noise, tmp_path_factory.getbasetemp())
