"""LiteLLM itself: imported once, without a network, and quiet."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import os
import sys
import threading
import warnings
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

from judge_rerank.core import MissingExtra

_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",
}

_GATEWAY = "gateway.ai.cloudflare.com"

_import_lock = threading.Lock()

_azure_sessions: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""The pool of each client for Azure that was made here."""


@lru_cache(maxsize=1)
def load() -> Any:
    """LiteLLM, imported once (4 s), without a network, and with nothing to say on the terminal.

    Raises:
        MissingExtra: it is not installed.
    """
    first = "litellm" not in sys.modules
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import litellm
    except ImportError as error:
        raise MissingExtra("Asking a hosted model", "", error.name or "litellm") from None
    quiet: Any = litellm
    quiet.suppress_debug_info = True
    with _import_lock, warnings.catch_warnings():
        # Pydantic warns of LiteLLM's types when the first response is built; that is nothing that a user can repair.
        warnings.simplefilter("ignore")
        litellm.ModelResponse()
    if first:
        # Nor can a user repair the types in what a provider sends.
        warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
        # It says so of each of LiteLLM's types when that is first used.
        warnings.filterwarnings("ignore", message="Items? .* on TypedDict class", category=UserWarning)
        for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
            logger = logging.getLogger(name)
            logger.handlers[:] = [logging.NullHandler()]
            logger.propagate = True
    return litellm


def load_client(*, own: bool) -> None:
    """LiteLLM, and the client that it asks a provider through, which it would import in the event loop.

    Args:
        own: whether it has one of its own for the provider; else that is OpenAI's package (1 s).
    """
    load()
    if not own:
        import_module("openai.resources")


def azure_client(session: Any, *, model: str, asked: Mapping[str, Any]) -> Any:
    """LiteLLM's own client for Azure, over this pool: for Azure it takes no pool from its caller, but a whole client.

    None for Cloudflare's gateway, by which Azure is asked in another way, with a client that LiteLLM makes each time.

    Args:
        session: the pool.
        model: the deployment.
        asked: what LiteLLM is asked, with the address, and the key or what a token is got by.
    """
    from litellm.llms.azure.common_utils import BaseAzureLLM, get_azure_credentials
    from litellm.llms.openai.common_utils import BaseOpenAILLM

    azure: Any = BaseAzureLLM()
    openai: Any = BaseOpenAILLM
    found = get_azure_credentials(*(asked.get(name) for name in ("api_base", "api_key", "api_version")))
    if _GATEWAY in str(found.api_base):
        return None
    client = azure.get_azure_openai_client(
        api_key=found.api_key,
        api_base=found.api_base,
        api_version=found.api_version or load().AZURE_DEFAULT_API_VERSION,
        litellm_params={"azure_ad_token": os.environ.get("AZURE_AD_TOKEN"), **asked, "max_retries": 0},
        _is_async=True,
        model=model,
    )
    if _azure_sessions.get(client) is not session:  # LiteLLM keeps the client of the last call, which may be ours
        client = client.copy(http_client=openai._get_async_http_client(session))
        _azure_sessions[client] = session
    return client


def use_session(litellm: Any, provider: str, session: Any) -> None:
    """Make LiteLLM ask a provider over this pool where it takes neither a pool nor a client from its caller.

    It keeps a client for each provider and loop, which is made here, with the pool, before LiteLLM would make it.
    """
    from litellm.llms.custom_httpx import http_handler

    handler: Any = http_handler
    for key in _client_keys(litellm):
        client = litellm.in_memory_llm_clients_cache.cache_dict.get(key)
        if str(key).startswith(f"async_httpx_client{provider}-") and client.shared_session is not session:
            litellm.in_memory_llm_clients_cache.delete_cache(key)
    handler.get_async_httpx_client(llm_provider=litellm.LlmProviders(provider), shared_session=session)


def forget_clients(litellm: Any) -> None:
    """Make LiteLLM drop the clients that it keeps for the running loop: they hold a pool that is closed by now.

    Some releases file them under the loop's `id`, which a later loop may have again.
    """
    for key in _client_keys(litellm):
        litellm.in_memory_llm_clients_cache.delete_cache(key)


async def close_clients(loop: asyncio.AbstractEventLoop) -> None:
    """Close the clients that LiteLLM keeps for this loop, which it does not do itself before Python ends."""
    if loop is not asyncio.get_running_loop():  # it is closed, and so are they
        return
    litellm = load()
    cache = litellm.in_memory_llm_clients_cache
    for key in _client_keys(litellm):
        client = cache.cache_dict.get(key)
        cache.delete_cache(key)
        # What LiteLLM keeps is of many classes, and one that cannot be closed is no reason to leave the others open.
        with contextlib.suppress(Exception):
            closing = client.close()
            if inspect.isawaitable(closing):
                await closing


def _client_keys(litellm: Any) -> list[Any]:
    """What LiteLLM keeps for the running loop. How it marks that in its keys, its cache says."""
    cache = litellm.in_memory_llm_clients_cache
    mark: str = cache.update_cache_key_with_event_loop("")
    return [key for key in cache.cache_dict if mark and str(key).endswith(mark)]
