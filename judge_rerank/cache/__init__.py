"""Replies that were paid for, kept so that an identical request is paid for once."""

from __future__ import annotations

from judge_rerank.cache.factory import DEFAULT_CACHE, opened_cache, require_shared_cache
from judge_rerank.cache.reply_cache import ReplyCache
from judge_rerank.cache.serialisation import request_key
from judge_rerank.cache.single_flight import SingleFlight

__all__ = ["DEFAULT_CACHE", "ReplyCache", "SingleFlight", "opened_cache", "request_key", "require_shared_cache"]
