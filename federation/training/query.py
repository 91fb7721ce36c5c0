"""Fetch a member's rows by one read-only query, a chunk at a time: SQLite or PostgreSQL.

A password never stands in an address, an argument or the environment: libpq reads it from the file
that the address names with ``passfile=`` (one line, ``host:port:database:user:password``).
An error names the system's code and, of mistakes in the query's own text, its sentence; never a
cell, which a server's message about bad data would repeat.
"""

import importlib
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from federation.training.error import TableError

Chunk = list[tuple[Any, ...]]

CHUNK_ROWS: Final = 10_000
"""Rows fetched at once: some megabytes, and few enough round trips not to matter."""
QUERY_SECONDS: Final = 600
"""Seconds for one statement and for the whole query: the default deadline of a round."""
CONNECT_SECONDS: Final = 10
SILENCE_SECONDS: Final = 30
"""Seconds after which a server that acknowledges nothing counts as gone."""
POSTGRESQL: Final = ("postgresql://", "postgres://")
SQLITE: Final = "sqlite:"

_LOCAL: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})
_SECRETS: Final = frozenset({"password", "sslpassword", "oauth_client_secret"})
CONNECTION_SETTINGS: Final = {
    "password": "",  # keeps libpq from asking the environment; the passfile still counts
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": SILENCE_SECONDS,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": SILENCE_SECONDS * 1_000,
    "application_name": "tocsin",
    "client_encoding": "utf8",
}
_MISTAKE: Final = "42"  # SQLSTATE class: syntax or a name; its message has only the query's words
_CLASSES: Final = {
    "08": ("DATABASE_UNREACHABLE", "the database server cannot be reached"),
    "28": ("DATABASE_LOGIN_REFUSED", "the database server refused the login"),
    "25": ("QUERY_WRITES", "the query tries to write; it runs in a read-only transaction"),
    "57": ("QUERY_TIMEOUT", f"the query took longer than {QUERY_SECONDS} seconds"),
    "53": ("DATABASE_UNREACHABLE", "the database server has no room for one more connection"),
}


def fetch(address: str, query: str) -> Iterator[Chunk]:
    """Give the names of the columns as the only row of a first chunk, then the rows.

    Raises:
        TableError: TABLE_UNREADABLE, DATABASE_ADDRESS_INVALID, DATABASE_UNREACHABLE,
            DATABASE_LOGIN_REFUSED, QUERY_WRITES, QUERY_TIMEOUT, or DRIVER_MISSING.
    """
    if address.startswith(SQLITE):
        return _fetch_sqlite(Path(address.removeprefix(SQLITE)).resolve(), query)
    if address.startswith(POSTGRESQL):
        return _fetch_postgresql(complete_address(address), query)
    raise TableError(
        "a query needs a database", reason="TABLE_UNREADABLE", hint="use sqlite: or postgresql://"
    )


def complete_address(address: str) -> str:
    """Check a PostgreSQL address; another machine must prove its name unless it says otherwise.

    Raises:
        TableError: DATABASE_ADDRESS_INVALID; a password stands in it, or it is no address.
    """
    try:
        parts = urlsplit(address)
        password, options = parts.password, options_of(address)
        hosts = _hosts(parts.netloc, options)
    except ValueError as error:
        raise _invalid("it is not postgresql://USER@HOST/DATABASE?NAME=VALUE") from error
    if password is not None or _SECRETS & options.keys():
        raise _invalid("a password stands in it")
    if "sslmode" in options or all(map(_is_local, hosts)):
        return address
    return with_options(address, {"sslmode": "verify-full", "sslrootcert": "system"} | options)


def options_of(address: str) -> dict[str, str]:
    """Return what follows the question mark; to libpq a plus is a plus."""
    query = urlsplit(address).query.replace("+", "%2B")
    return dict(parse_qsl(query, keep_blank_values=True))


def _hosts(netloc: str, options: Mapping[str, str]) -> list[str]:
    """Return all that libpq may connect to: it tries the names, or numbers, one after another."""
    written = netloc.rpartition("@")[2].split(",")
    names = [urlsplit(f"//{one}").hostname or "" for one in written]
    if options.get("host"):
        names = options["host"].split(",")
    return names + options["hostaddr"].split(",") if options.get("hostaddr") else names


def _is_local(host: str) -> bool:
    return host in _LOCAL or host.startswith("/")


def with_options(address: str, options: Mapping[str, str]) -> str:
    """Give an address with these options, and no others."""
    return urlunsplit(urlsplit(address)._replace(query=urlencode(options, quote_via=quote)))


def _invalid(what: str) -> TableError:
    return TableError(
        f"the database address cannot be used: {what}",
        reason="DATABASE_ADDRESS_INVALID",
        hint="write passfile=FILE in it; the file has one line, host:port:database:user:password",
    )


def _fetch_sqlite(path: Path, query: str) -> Iterator[Chunk]:
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            yield from _chunks(connection.execute(query))
    except sqlite3.Error as error:
        raise TableError("the query failed", reason="TABLE_UNREADABLE") from error


def _fetch_postgresql(address: str, query: str) -> Iterator[Chunk]:
    driver = load_driver("psycopg", "PostgreSQL")
    try:
        with closing(driver.connect(address, **CONNECTION_SETTINGS)) as connection:
            connection.read_only = True
            connection.isolation_level = driver.IsolationLevel.REPEATABLE_READ
            connection.execute(f"set local statement_timeout to {QUERY_SECONDS * 1_000}")
            with connection.cursor(
                name="rows"
            ) as cursor:  # rows stay at the server until asked for
                yield from _chunks(cursor.execute(query))
    except driver.Error as error:
        raise _explain(error) from None  # the driver's error repeats the server's words


def _chunks(cursor: Any) -> Iterator[Chunk]:
    end = time.monotonic() + QUERY_SECONDS
    yield [tuple(entry[0] for entry in cursor.description or ())]
    while chunk := cursor.fetchmany(CHUNK_ROWS):
        if time.monotonic() > end:
            reason, message = _CLASSES["57"]
            raise TableError(message, reason=reason)
        yield chunk


def _explain(error: Any) -> TableError:
    """Say what a server or the driver refused, without a cell."""
    code = error.sqlstate or ""
    if code.startswith(_MISTAKE):
        return TableError(f"the query: {error.diag.message_primary}", reason="TABLE_UNREADABLE")
    if code[:2] in _CLASSES:
        reason, message = _CLASSES[code[:2]]
        return TableError(f"{message} ({code})", reason=reason)
    if not code:  # from libpq itself, before there was a server to answer
        return _explain_connection(str(error))
    return TableError(f"the query failed ({code})", reason="TABLE_UNREADABLE")


def _explain_connection(text: str) -> TableError:
    if "password" in text or "authentication" in text:
        reason, message = _CLASSES["28"]
        hint = "is its line in the passfile, and the file of mode 0600?"
        return TableError(message, reason=reason, hint=hint)
    if "certificate" in text or "SSL" in text:
        hint = "write sslrootcert=FILE in the address; sslmode=require trusts any server"
        message = "the database server does not prove its name"
        return TableError(message, reason="DATABASE_UNREACHABLE", hint=hint)
    reason, message = _CLASSES["08"]
    return TableError(message, reason=reason)


def load_driver(module: str, what: str) -> Any:
    """Import an optional package.

    Raises:
        TableError: DRIVER_MISSING.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".", 1)[0]
        raise TableError(
            f"{what} needs the package {package}",
            reason="DRIVER_MISSING",
            hint=f"pip install {package}",
        ) from error
