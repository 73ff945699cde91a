"""Files that several processes share: SQLite, process locks, leases."""

from __future__ import annotations

from judge_rerank.storage.folders import cache_dir, claimed_folder, private_folder
from judge_rerank.storage.leases import LEASE_S, LockRows
from judge_rerank.storage.process_locks import claim_process_lock, owner_is_gone

__all__ = [
    "LEASE_S",
    "LockRows",
    "cache_dir",
    "claim_process_lock",
    "claimed_folder",
    "owner_is_gone",
    "private_folder",
]
