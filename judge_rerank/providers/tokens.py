"""How many tokens a text is, without a network: a hosted model's own vocabulary is known for OpenAI's only."""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

_VOCABULARY_URL = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"

_CHUNK = 20_000
"""Characters counted at a time. Cutting adds at most a token or two for each chunk; one long run would be slow."""

_FOREIGN_MARGIN = 1.2
_CLAUDE_MARGIN = 1.35
"""Other vocabularies give up to a fifth more tokens than OpenAI's for the same English text, Claude's up to a third."""

_BYTES_PER_TOKEN = 2.0
"""For when there is no vocabulary at all: few texts have fewer bytes for each token."""


def counter(model: str, *, openai: bool) -> Callable[[str], int]:
    """A function that counts tokens for this model: exactly for OpenAI's models, for others a little above.

    Args:
        model: the model's name without its provider.
        openai: whether it is one of OpenAI's.
    """
    name = "o200k_base"
    margin = _CLAUDE_MARGIN if "claude" in model.lower() else _FOREIGN_MARGIN
    if openai:
        name, margin = _openai_vocabulary(model)
    encode = _encoder(name)
    if encode is None:
        return lambda text: math.ceil(len(text.encode(errors="replace")) / _BYTES_PER_TOKEN)
    return lambda text: math.ceil(_count(encode, text) * margin)


def by_vocabulary(text: str) -> int:
    """Tokens in a text by OpenAI's vocabulary, without any margin; four bytes a token where it is not at hand."""
    encode = _encoder("o200k_base")
    return len(text.encode(errors="replace")) // 4 if encode is None else _count(encode, text)


def _openai_vocabulary(model: str) -> tuple[str, float]:
    import tiktoken

    try:
        return tiktoken.encoding_name_for_model(model), 1.0
    except KeyError:
        known = model.startswith(("gpt-", "o1", "o3", "o4", "chatgpt-"))
        return "o200k_base", 1.0 if known else _FOREIGN_MARGIN


@lru_cache(maxsize=4)
def _encoder(name: str) -> Callable[[str], list[int]] | None:
    """The vocabulary's encoder, None where it would have to be downloaded."""
    package = importlib.util.find_spec("litellm")
    shipped = Path(package.origin).parent / "litellm_core_utils" / "tokenizers" if package and package.origin else None
    folder = os.environ.get("TIKTOKEN_CACHE_DIR") or str(shipped or "")
    file = hashlib.sha1(_VOCABULARY_URL.format(name).encode(), usedforsecurity=False).hexdigest()
    if not folder or not (Path(folder) / file).is_file():
        return None
    os.environ["TIKTOKEN_CACHE_DIR"] = folder  # where tiktoken looks before it downloads; LiteLLM sets the same
    import tiktoken

    return tiktoken.get_encoding(name).encode_ordinary


def _count(encode: Callable[[str], list[int]], text: str) -> int:
    return sum(len(encode(text[start : start + _CHUNK])) for start in range(0, len(text), _CHUNK))
