"""Files that several processes share: SQLite, process locks, leases."""
