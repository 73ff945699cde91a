"""The address of a database that several machines share."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from judge_rerank.core import InputError, SetupError, public_url

STORE_VARIABLE = "JUDGE_RERANK_STORE"
DEFAULT_SCHEMA = "judge_rerank"

_SCHEMES = ("postgresql", "postgres")
_SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_EXAMPLE = "postgresql://host/database"  # a user in it would be taken for a secret
_SWITCH = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True, repr=False)
class StoreUrl:
    """A PostgreSQL database, and the schema in it that holds our tables. As text it has neither user nor password.

    Attributes:
        address: what the driver connects to, user and password included.
        schema: where the tables are; `?schema=NAME` in the address, else "judge_rerank".
    """

    address: str
    schema: str = DEFAULT_SCHEMA

    @classmethod
    def of(cls, address: str, name: str = "store") -> StoreUrl:
        """The store at an address; `name` is what the user called it.

        Raises:
            InputError: it is no address of a PostgreSQL database.
        """
        try:
            parts = urlsplit(address.strip())
            readable = parts.scheme in _SCHEMES and (parts.port or True)
        except ValueError:
            parts, readable = urlsplit(""), False
        if not readable:
            raise InputError(f"{name} is {public_url(address)!r}; expected the address of a database: {_EXAMPLE}.")
        options = parse_qsl(parts.query, keep_blank_values=True)
        schemas = [value for key, value in options if key == "schema"]
        if schemas and not _SCHEMA.fullmatch(schemas[-1]):
            raise InputError(f"{name} has schema={schemas[-1]!r}; expected letters, digits and '_': ?schema=team_a.")
        query = urlencode([option for option in options if option[0] != "schema"], quote_via=quote)
        return cls(urlunsplit(parts._replace(query=query)), *schemas[-1:])

    @property
    def name(self) -> str:
        """Host and database, for messages."""
        parts = urlsplit(self.address)
        options = dict(parse_qsl(parts.query))
        # Without parts.hostname, which would lower the case of a socket's folder.
        host = unquote(parts.netloc.rpartition("@")[2]) or options.get("host", "localhost")
        database = parts.path.lstrip("/") or options.get("dbname", "")
        schema = "" if self.schema == DEFAULT_SCHEMA else f", schema {self.schema}"
        return f"{host}/{database}{schema}"

    @property
    def has_password(self) -> bool:
        """Whether a password stands in the address."""
        parts = urlsplit(self.address)
        return bool(parts.password) or any("password" in key for key, _ in parse_qsl(parts.query))

    def __str__(self) -> str:
        return f"postgresql://{self.name}"

    __repr__ = __str__


def is_store_url(place: object) -> bool:
    """Whether a place is meant as the address of a database, and not as a file or folder."""
    return isinstance(place, str) and "://" in place


def place_of(place: Path | str | StoreUrl, name: str = "store") -> Path | StoreUrl:
    """A file or folder, or the database at an address.

    Raises:
        InputError: it is an address, but not of a PostgreSQL database.
    """
    if isinstance(place, StoreUrl):
        return place
    if isinstance(place, str) and is_store_url(place):
        return StoreUrl.of(place, name)
    return Path(place).expanduser().absolute()


def said_of_storing() -> bool | str | None:
    """What the environment variable JUDGE_RERANK_STORE says: on, off, a database by its address, or nothing.

    Raises:
        SetupError: it says something else.
    """
    said = os.environ.get(STORE_VARIABLE, "").strip()
    try:
        return read_storing(said, STORE_VARIABLE) if said else None
    except InputError as error:
        raise SetupError(str(error)) from None


def read_storing(said: str, name: str) -> bool | str:
    """What somebody says about keeping things: on, off, or a database by its address.

    Raises:
        InputError: it is something else; `name` is what the user called it.
    """
    if is_store_url(said):
        StoreUrl.of(said, name)
        return said
    if said.lower() not in _SWITCH:
        raise InputError(f"{name} is {said!r}; expected 'on', 'off' or {_EXAMPLE}.")
    return _SWITCH[said.lower()]


def storing() -> bool:
    """Whether replies, and what the command line asks, are kept where nobody names a place for them.

    The environment variable JUDGE_RERANK_STORE=off keeps nothing. A place that is named is used in any case.

    Raises:
        SetupError: the variable says something else than on, off or an address.
    """
    return said_of_storing() is not False


def store_of_environment() -> str | None:
    """The address that JUDGE_RERANK_STORE names, as it stands there; None where it names none."""
    said = said_of_storing()
    return said if isinstance(said, str) else None
