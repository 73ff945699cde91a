"""Files that several processes share (SQLite, process locks, leases), and databases that several machines share."""

from __future__ import annotations

from judge_rerank.storage.folders import cache_dir, claimed_folder, private_folder
from judge_rerank.storage.leases import LEASE_S, Leases
from judge_rerank.storage.postgres import (
    PostgresSql,
    Tables,
    as_ours_in,
    is_lost,
    is_passing,
    open_tables,
    require_driver,
)
from judge_rerank.storage.postgres_text import is_encodable
from judge_rerank.storage.process_locks import claim_process_lock, owner_is_gone
from judge_rerank.storage.sql import Rows, Sql, SqliteSql, database_errors, open_sql, open_sql_for_reading
from judge_rerank.storage.sqlite import (
    Database,
    as_ours,
    is_busy,
    is_damaged,
    open_database,
    open_for_reading,
    our_error,
)
from judge_rerank.storage.store_url import (
    STORE_VARIABLE,
    StoreUrl,
    is_store_url,
    place_of,
    read_storing,
    store_of_environment,
    storing,
)

__all__ = [
    "LEASE_S",
    "STORE_VARIABLE",
    "Database",
    "Leases",
    "PostgresSql",
    "Rows",
    "Sql",
    "SqliteSql",
    "StoreUrl",
    "Tables",
    "as_ours",
    "as_ours_in",
    "cache_dir",
    "claim_process_lock",
    "claimed_folder",
    "database_errors",
    "is_busy",
    "is_damaged",
    "is_encodable",
    "is_lost",
    "is_passing",
    "is_store_url",
    "open_database",
    "open_for_reading",
    "open_sql",
    "open_sql_for_reading",
    "open_tables",
    "our_error",
    "owner_is_gone",
    "place_of",
    "private_folder",
    "read_storing",
    "require_driver",
    "store_of_environment",
    "storing",
]
