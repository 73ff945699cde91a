"""The one way to open a PostgreSQL database: tables of a known version, errors that say what to do.

All our tables are in one schema. Each kind (ledger, cache, trace, ...) has its version in `judge_rerank_versions`.
Tables of an earlier version are brought up to date by adding to them, under a lock, so that many processes may start at
once; those of a later version are refused and left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from judge_rerank.core import MissingExtra
from judge_rerank.storage.postgres_text import escape_texts
from judge_rerank.storage.store_url import StoreUrl

if TYPE_CHECKING:
    import psycopg

    from judge_rerank.storage.sql import Rows

_SET_VERSION = """
INSERT INTO judge_rerank_versions VALUES (%s, %s) ON CONFLICT (kind) DO UPDATE SET version = excluded.version
"""
_LOCK = 7_306_118_204_411  # any number that nobody else takes an advisory lock on

_LOCK_S, _IDLE_S = 30, 15
"""How long to wait for another process, and how long the database waits for one that has a lock and is silent."""

# A peer that is gone without a word is noticed within about half a minute.
_CONNECTING: Mapping[str, Any] = {
    "connect_timeout": 10,
    "application_name": "judge-rerank",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tables:
    """A kind of tables in a shared database; each room declares its own.

    Attributes:
        name: what messages call it ("ledger"), and under which its version is kept.
        schema: what makes them, of this version. Other kinds are in the same schema: names begin with the kind's.
        upgrades: by the version that they start from, what brings them to the next one. Only additions.
        aliases: by the name that reading statements use, the table that is meant.
        durable: whether a commit is on the disk when it returns. Otherwise the database may lose what it has accepted
            in the last second before it crashes; a killed process of ours loses no commit in any case.
        error: makes the error that is raised instead of the driver's, from a message and the name of the store.
        consequence: what the user has to know beside what is wrong, as a sentence.
    """

    name: str
    schema: Sequence[str]
    error: Callable[[str, str], Exception]
    upgrades: Mapping[int, Sequence[str]] = field(default_factory=dict[int, Sequence[str]])
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    durable: bool = False
    consequence: str = ""

    @property
    def version(self) -> int:
        """What tables that are up to date have."""
        return max(self.upgrades, default=0) + 1


class PostgresSql:
    """A connection to our tables; every statement outside `transaction` is one of its own.

    Any text can be stored and comes back as it was, although the database itself takes neither NUL nor lone surrogates.

    Attributes:
        raw: the driver's connection.
    """

    def __init__(self, raw: psycopg.Connection[Any], kind: Tables) -> None:
        self.raw, self._kind = raw, kind

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        """Do one statement, with `?` where a value goes; tables go by their aliases where it reads."""
        text = _translated(statement, tuple(self._kind.aliases.items()))
        return cast("Rows", self.raw.execute(text, [_plain(value) for value in values]))

    def executemany(self, statement: str, values: Iterable[Sequence[object]]) -> object:
        """Do one statement for each of the values, in one go."""
        with self.raw.cursor() as cursor:
            text = _translated(statement, tuple(self._kind.aliases.items()))
            cursor.executemany(text, [[_plain(value) for value in row] for row in values])
        return None

    def table(self, name: str) -> str:
        """What the table with this alias is called."""
        return self._kind.aliases.get(name, name)

    def day(self, seconds: str) -> str:
        """The expression for a day."""
        return f"to_char(to_timestamp({seconds}) AT TIME ZONE 'UTC', 'YYYY-MM-DD')"

    @contextmanager
    def transaction(self) -> Generator[None]:
        """A block whose statements are sent without waiting for their answers."""
        with self.raw.transaction(), self.raw.pipeline():
            yield

    def is_fatal(self, error: Exception) -> bool:
        """Whether it comes from the database, which does nothing more in this transaction."""
        import psycopg

        return isinstance(error, (psycopg.Error, OSError))

    def close(self) -> None:
        """End the connection."""
        self.raw.close()


def require_driver() -> None:
    """Raises `MissingExtra` unless the driver of PostgreSQL is installed."""
    try:
        import psycopg  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise MissingExtra("A shared store", "postgres", "psycopg") from None


def open_tables(kind: Tables, store: StoreUrl, *, create: bool = True) -> PostgresSql:
    """A connection to tables that are there and up to date; for use from one thread.

    Args:
        kind: what the tables are to hold.
        store: the database.
        create: whether tables that are not there are made.

    Raises:
        Exception: of `kind.error`: the database cannot be reached or used, or the tables are of a later version.
        MissingExtra: the driver is not installed.
    """
    require_driver()
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.rows import dict_row

    with as_ours_in(kind, store):
        try:
            options: dict[str, Any] = {**_CONNECTING, **conninfo_to_dict(store.address)}
        except psycopg.ProgrammingError as error:  # an option that the driver does not know
            raise kind.error(f"The address of the shared store cannot be read: {error}.", store.name) from None
        raw = psycopg.connect(**options, autocommit=True, row_factory=cast("Any", dict_row))
        try:
            escape_texts(raw)
            raw.execute(
                "SELECT set_config('search_path', %s, false), set_config('lock_timeout', %s, false),"
                " set_config('idle_in_transaction_session_timeout', %s, false),"
                " set_config('synchronous_commit', %s, false)",
                (store.schema, f"{_LOCK_S}s", f"{_IDLE_S}s", "on" if kind.durable else "off"),
            )
            _prepare(raw, kind, store, create=create)
        except BaseException:
            raw.close()
            raise
        return PostgresSql(raw, kind)


@contextmanager
def as_ours_in(kind: Tables, store: StoreUrl) -> Generator[None]:
    """Raise what the driver raises as the error of this kind, which says what to do."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise kind.error(f"{_advice(error, kind)} {kind.consequence}".rstrip(), store.name) from error


def is_lost(error: BaseException) -> bool:
    """Whether the connection ended, so that trying again may help; nothing is known of what was being committed."""
    try:
        import psycopg
    except ImportError:
        return False
    return isinstance(error, psycopg.InterfaceError) or (
        isinstance(error, psycopg.OperationalError)
        and (error.sqlstate is None or error.sqlstate.startswith(("08", "57P")) or error.sqlstate == "25P03")
    )


def is_passing(error: BaseException) -> bool:
    """Whether a transaction was undone for the sake of another, and succeeds when it is done again."""
    return getattr(error, "sqlstate", None) in {"40001", "40P01"}


def _prepare(raw: psycopg.Connection[Any], kind: Tables, store: StoreUrl, *, create: bool) -> None:
    version = _version(raw, kind, store)
    if version == kind.version:
        return
    if version == 0 and not create:
        raise kind.error(f"There is no {kind.name} in this database yet.", store.name)
    with raw.transaction():
        raw.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        # Asked first, because the statement needs the right to create even where there is nothing to do.
        if raw.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (store.schema,)).fetchone() is None:
            raw.execute(f'CREATE SCHEMA "{store.schema}"'.encode())
        version = _version(raw, kind, store)
        if version == 0 and not _has_versions(raw):
            raw.execute("CREATE TABLE judge_rerank_versions (kind TEXT PRIMARY KEY, version INTEGER NOT NULL)")
        steps = [kind.schema] if version == 0 else [kind.upgrades[step] for step in range(version, kind.version)]
        for statement in (each for statements in steps for each in statements):
            raw.execute(statement.encode())
        raw.execute(_SET_VERSION, (kind.name, kind.version))


def _version(raw: psycopg.Connection[Any], kind: Tables, store: StoreUrl) -> int:
    """The version of the tables, 0 where there are none."""
    if not _has_versions(raw):
        return 0
    row = raw.execute("SELECT version FROM judge_rerank_versions WHERE kind = %s", (kind.name,)).fetchone()
    version = 0 if row is None else row["version"]
    if version > kind.version:
        raise kind.error(
            f"This {kind.name} was written by a newer version (format {version}, this one knows {kind.version}). "
            "Upgrade judge-rerank, or name another store.",
            store.name,
        )
    return version


def _has_versions(raw: psycopg.Connection[Any]) -> bool:
    return raw.execute("SELECT 1 WHERE to_regclass('judge_rerank_versions') IS NOT NULL").fetchone() is not None


@lru_cache(maxsize=256)
def _translated(statement: str, aliases: tuple[tuple[str, str], ...]) -> bytes:
    """The statement as the driver takes it; where it reads, with the tables' aliases in front."""
    text = statement.replace("%", "%%").replace("?", "%s")
    if statement.lstrip()[:6].upper() == "SELECT":
        meant = [
            f"{alias} AS NOT MATERIALIZED (SELECT * FROM {table})"  # noqa: S608
            for alias, table in aliases
            if alias in statement
        ]
        text = f"WITH {', '.join(meant)} {text}" if meant else text
    return text.encode()


def _plain(value: object) -> object:
    """A value as SQLite stores it too: a boolean as a number, text that was encoded for a file as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogatepass")
    return int(value) if isinstance(value, bool) else value


_ADVICE: Mapping[str, str] = {
    "28P01": "Check the user and the password in its address, or set PGPASSWORD.",
    "28000": "Check the user in its address, and that the server lets it in from here.",
    "3D000": "Create the database, or name another.",
    "42501": "Give the user the right to create tables there: GRANT CREATE ON DATABASE ... or a schema of its own.",
    "25006": "It can only be read. Name the primary server, and a user who may write.",
    "53300": "The server has too many connections. Raise max_connections, or start fewer processes.",
    "53100": "The disk of the server is full.",
    "55P03": f"Another process kept it locked for {_LOCK_S} seconds. End it, or name another store.",
}
# What a server says before there is a connection has no code, only words.
_WORDS: Mapping[str, str] = {
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "no pg_hba.conf entry": "28000",
    "does not exist": "3D000",
    "too many clients": "53300",
    "remaining connection slots": "53300",
}


def _advice(error: psycopg.Error, kind: Tables) -> str:
    said = " ".join(str(error).split()) or type(error).__name__
    code = error.sqlstate or next((code for words, code in _WORDS.items() if words in said), None)
    if code is None and is_lost(error):
        return f"The {kind.name} cannot be reached ({said}). Check the address, and that the server runs."
    return f"The {kind.name} cannot be used ({said}). {_ADVICE.get(code or '', '')}".rstrip()
