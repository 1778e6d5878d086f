"""An empty database that takes in an installation from elsewhere, chunk by chunk.

The rows of a chunk and the record of how far the copy is are committed together, so that a copy which was interrupted
at any moment goes on where it stopped. Until it is complete the record is there, and no instance serves.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from sanctum_messaging.adapters.postgres.admission import check_admission
from sanctum_messaging.adapters.postgres.connecting import APPLICATION, Connector, DatabaseRefusedError, describe
from sanctum_messaging.adapters.postgres.head import HEAD
from sanctum_messaging.adapters.postgres.migrate import apply_migrations
from sanctum_messaging.adapters.sql.stream import cursor_of
from sanctum_messaging.adapters.sql.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable, Sequence

    from sanctum_messaging.adapters.sql.tables import Key, Row, Table
    from sanctum_messaging.domain.model import Cursor

ANSWER_SECONDS = 60.0
"""A chunk takes far less than a second; whoever takes longer than this for anything is gone, or at an end."""
_COPY_LOCK = 23434227459370849
"""Held for as long as the connection lasts, so that of two copies into one database the second waits, and is refused.
Who was killed may hold it until the server has noticed, with his last chunk committed or not."""
_SETTINGS = f"""
SET application_name = '{APPLICATION} copy';
SET statement_timeout = '{ANSWER_SECONDS:g}s';
SET idle_in_transaction_session_timeout = '{ANSWER_SECONDS:g}s';
SET lock_timeout = '3s'
"""
_OURS = "SELECT to_regclass('copy_progress') IS NOT NULL"
_FOREIGN = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass
        AND d.deptype = 'e')
ORDER BY c.relname LIMIT 1
"""
_INSTANCE = f"""
SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = '{APPLICATION}' LIMIT 1
"""
_NOT_EMPTY = "SELECT log_id FROM installation WHERE {} OR EXISTS (SELECT 1 FROM log_floor WHERE position > 0)".format(
    " OR ".join(f"EXISTS (SELECT 1 FROM {table.name})" for table in TABLES if table.name != "log_floor")
)
_PROGRESS = "SELECT log_id, head, table_name, last_key, copied FROM copy_progress"
_BEGIN = "INSERT INTO copy_progress (one, log_id, head) VALUES (1, $1, $2)"
_ADVANCE = "UPDATE copy_progress SET table_name = $1, last_key = $2, copied = copied + $3"
_HEAD = f"SELECT position, tag FROM {HEAD} AS head"


class CopyFailedError(Exception):
    """The copy can't go on now; what was copied so far is kept."""


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """How far a copy is: the table and the key of its last row, and how many rows there were until then."""

    table: str | None = None
    key: Key | None = None
    copied: int = 0


class CopyTarget:
    """A database that nobody else copies into. ``begin``, ``write`` all rows, ``complete``."""

    def __init__(self, url: str, connection: asyncpg.Connection) -> None:
        self._url = url
        self._connection = connection

    async def begin(self, log_id: str, head: Cursor) -> CopyProgress:
        """Find the unfinished copy of this very log, or begin one in an empty database; the schema is made.

        Raises:
            DatabaseRefusedError: there is something else in it, or an instance runs on it.
            MigrationError: the schema can't be made.
        """
        with _translated("the schema"):
            found = await self._find_progress(log_id, head)
            if found is None:
                await self._check_empty(log_id)
            await apply_migrations(self._url)
            if found is None:
                found = await self._begin(log_id, head)
        return found

    async def write(self, table: Table, rows: Sequence[Row]) -> None:
        """Add the next rows of a table and advance the copy, all or nothing.

        Raises:
            CopyFailedError: nothing was added.
        """
        last = msgspec.json.encode(table.key_of(rows[-1])).decode()
        _check_fit(table, rows)
        with _translated(f"table {table.name}"):
            async with self._connection.transaction():
                await self._connection.copy_records_to_table(
                    table.name, records=_records(table, rows), columns=table.columns, timeout=ANSWER_SECONDS
                )
                await self._connection.execute(_ADVANCE, table.name, last, len(rows), timeout=ANSWER_SECONDS)

    async def read(self, table: Table, *, after: Key | None, upto: Key | None, limit: int) -> list[Row]:
        """Read a table's rows behind one key and up to another, in the order of their keys."""
        statement = _select(table, after=after, upto=upto, limit=limit)
        with _translated(f"table {table.name}"):
            rows = await self._connection.fetch(statement, *(after or ()), *(upto or ()), timeout=ANSWER_SECONDS)
        return [tuple(row) for row in rows]

    async def read_head(self) -> Cursor:
        """Return the cursor of the newest event."""
        with _translated("the log's end"):
            return cursor_of((await self._connection.fetch(_HEAD, timeout=ANSWER_SECONDS))[0])

    async def complete(self) -> None:
        """Make it an installation that instances may serve."""
        with _translated("the end of the copy"):
            await self._connection.execute(f"ANALYZE {', '.join(table.name for table in TABLES)}")
            async with self._connection.transaction():
                await self._connection.execute("UPDATE installation SET log_id = p.log_id FROM copy_progress p")
                await self._connection.execute("DELETE FROM copy_progress")

    async def _find_progress(self, log_id: str, head: Cursor) -> CopyProgress | None:
        row = await self._connection.fetchrow(_PROGRESS) if await self._connection.fetchval(_OURS) else None
        if row is None:
            return None
        if row["log_id"] != log_id:
            raise DatabaseRefusedError("it holds an unfinished copy of another installation; name an empty database")
        if row["head"] != str(head):
            reason = "it holds an unfinished copy from before the source went on; name an empty database"
            raise DatabaseRefusedError(reason)
        key = None if row["last_key"] is None else tuple(msgspec.json.decode(row["last_key"]))
        return CopyProgress(row["table_name"], key, row["copied"])

    async def _check_empty(self, log_id: str) -> None:
        if not await self._connection.fetchval(_OURS):
            if foreign := await self._connection.fetchval(_FOREIGN):
                raise DatabaseRefusedError(f"it is not empty: there is {foreign!r} in it; name an empty database")
            return
        holds = await self._connection.fetchval(_NOT_EMPTY)
        if holds is not None:
            other = "this installation already" if holds == log_id else "an installation"
            raise DatabaseRefusedError(f"it holds {other}; name an empty database")
        if await self._connection.fetchval(_INSTANCE):
            raise DatabaseRefusedError("an instance of the service runs on it: stop it first")

    async def _begin(self, log_id: str, head: Cursor) -> CopyProgress:
        async with self._connection.transaction():
            await self._connection.execute(_BEGIN, log_id, str(head))
            # The source brings its own.
            await self._connection.execute("DELETE FROM log_floor")
        return CopyProgress()


@asynccontextmanager
async def open_target(url: str) -> AsyncGenerator[CopyTarget]:
    """Connect to a database that we can use, and keep other copies off it.

    Raises:
        DatabaseRefusedError: with the reason.
    """
    connector = Connector(url)
    await check_admission(connector)
    try:
        connection = await connector.connect()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise DatabaseRefusedError(describe(error)) from None
    try:
        await _take_lock(connection)
        yield CopyTarget(url, connection)
    finally:
        connection.terminate()


async def _take_lock(connection: asyncpg.Connection) -> None:
    with _translated("the lock"):
        await connection.execute(_SETTINGS)
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", _COPY_LOCK)
        except asyncpg.LockNotAvailableError:
            raise DatabaseRefusedError("another copy into it is under way") from None


@contextmanager
def _translated(subject: str) -> Generator[None]:
    """Translate what the driver raises; a server's details, which may hold contents, are left out."""
    try:
        yield
    except asyncpg.PostgresError as error:
        message = f"{subject}: PostgreSQL says: {error.args[0]}"
        raise CopyFailedError(message) from error
    except TimeoutError as error:
        message = f"{subject}: PostgreSQL did not answer for {ANSWER_SECONDS:g} s"
        raise CopyFailedError(message) from error
    except (TypeError, ValueError, OverflowError) as error:
        message = f"{subject}: a value does not fit its column ({error})"
        raise CopyFailedError(message) from error
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        message = f"{subject}: the connection to PostgreSQL was lost"
        raise CopyFailedError(message) from error


def _check_fit(table: Table, rows: Sequence[Row]) -> None:
    """Refuse what SQLite would hold anywhere and PostgreSQL nowhere; no call of ours lets it in."""
    for row in rows:
        if any("\0" in value if isinstance(value, str) else not isinstance(value, int | None) for value in row):
            place = msgspec.json.encode(table.key_of(row)).decode()
            message = f"table {table.name}: the row with the key {place} holds U+0000, or neither text nor a number"
            raise CopyFailedError(message)


def _records(table: Table, rows: Sequence[Row]) -> Iterable[Sequence[object]]:
    if not table.switches:
        return rows
    switches = [name in table.switches for name in table.columns]
    return ([bool(value) if switch else value for value, switch in zip(row, switches, strict=True)] for row in rows)


def _select(table: Table, *, after: Key | None, upto: Key | None, limit: int) -> str:
    columns = ", ".join(f'"{name}"::int' if name in table.switches else f'"{name}"' for name in table.columns)
    key = ", ".join(f'"{name}"' for name in table.key)
    width = len(table.key)
    numbers = [f"${number}" for number in range(1, 2 * width + 1)]
    bounds = []
    if after is not None:
        bounds.append(f"({key}) > ({', '.join(numbers[:width])})")
        numbers = numbers[width:]
    if upto is not None:
        bounds.append(f"({key}) <= ({', '.join(numbers[:width])})")
    where = f"WHERE {' AND '.join(bounds)}" if bounds else ""
    return f"SELECT {columns} FROM {table.name} {where} ORDER BY {key} LIMIT {limit}"
