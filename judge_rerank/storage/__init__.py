"""Files that several processes share: SQLite, process locks, leases."""

from __future__ import annotations

from judge_rerank.storage.folders import STORE_VARIABLE, cache_dir, claimed_folder, private_folder, storing
from judge_rerank.storage.leases import LEASE_S, Leases
from judge_rerank.storage.process_locks import claim_process_lock, owner_is_gone
from judge_rerank.storage.sqlite import (
    Database,
    as_ours,
    is_busy,
    is_damaged,
    open_database,
    open_for_reading,
    our_error,
)

__all__ = [
    "LEASE_S",
    "STORE_VARIABLE",
    "Database",
    "Leases",
    "as_ours",
    "cache_dir",
    "claim_process_lock",
    "claimed_folder",
    "is_busy",
    "is_damaged",
    "open_database",
    "open_for_reading",
    "our_error",
    "owner_is_gone",
    "private_folder",
    "storing",
]
