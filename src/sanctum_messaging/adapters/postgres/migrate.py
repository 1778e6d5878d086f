"""Bringing a database to this version's schema while instances of the version before run on it.

One runner at a time: the others wait for its advisory lock, ask again, and find nothing to do. They ask for the lock
again and again and never wait inside of a statement, since that statement's snapshot would hold up an index that is
built concurrently. A migration waits 2 s for a table at most, then lets the traffic pass and tries again: whoever waits
for a table keeps all behind him waiting.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from sanctum_messaging.adapters.postgres.admission import check_admission
from sanctum_messaging.adapters.postgres.connecting import CONNECT_ERRORS, Connector, DatabaseRefusedError, describe
from sanctum_messaging.adapters.sql.migrations import (
    Applied,
    Migration,
    MigrationError,
    find_pending,
    load_migrations,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

TRIES = 30
"""With the pauses between them, a migration gives up after some minutes of traffic that never lets it in."""
LONGEST_PAUSE_SECONDS = 5.0
LOCK_SECONDS = 600.0
"""How long a runner waits for another one: an index over many rows takes minutes."""
_LOCK_PAUSE_SECONDS = 0.25
_RUNNER_LOCK = 23434227459377479
# A transaction takes its time; only waiting for a table is limited. An index that is built concurrently waits for
# transactions that began before, and nobody waits behind it.
_SETTINGS = "SET lock_timeout = '2s'; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"
_TABLE = """
CREATE TABLE IF NOT EXISTS migration (
    number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, runs_with integer NOT NULL,
    applied_at bigint NOT NULL
)
"""
_KNOWN = "SELECT to_regclass('migration') IS NOT NULL"
_APPLIED = "SELECT number, checksum, runs_with FROM migration"
_RECORD = "INSERT INTO migration (number, name, checksum, runs_with, applied_at) VALUES ($1, $2, $3, $4, $5)"
_random = random.SystemRandom()


def migrations() -> list[Migration]:
    """Read this version's."""
    return load_migrations(__package__)


async def find_unapplied(url: str) -> list[Migration]:
    """Find what was not applied yet.

    Raises:
        DatabaseRefusedError: the database can't be used.
        MigrationError: an applied file has another text now, or the database is newer than this program can work with.
    """
    async with _connected(url) as connection:
        return await _find_unapplied(connection, migrations())


async def apply_migrations(url: str) -> list[str]:
    """Apply what is pending, each in a transaction of its own unless it says ``-- no transaction``; return the names.

    Raises:
        DatabaseRefusedError: as ``find_unapplied``.
        MigrationError: as ``find_unapplied``; or one did not go through, while those before it did.
    """
    async with _connected(url) as connection, _alone(connection):
        pending = await _find_unapplied(connection, migrations())
        if pending:
            await connection.execute(_TABLE)
        for migration in pending:
            await _apply(connection, migration)
        return [migration.name for migration in pending]


@asynccontextmanager
async def _connected(url: str) -> AsyncGenerator[asyncpg.Connection]:
    connector = Connector(url)
    await check_admission(connector)
    try:
        connection = await connector.connect_bare()
    except CONNECT_ERRORS as error:
        raise DatabaseRefusedError(describe(error)) from None
    try:
        await connection.execute(_SETTINGS)
        yield connection
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise MigrationError(f"PostgreSQL stopped the migration: {error}") from error
    finally:
        connection.terminate()


@asynccontextmanager
async def _alone(connection: asyncpg.Connection) -> AsyncGenerator[None]:
    """Hold the runners' lock, which ends with the connection."""
    deadline = time.monotonic() + LOCK_SECONDS
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _RUNNER_LOCK):
        if time.monotonic() > deadline:
            raise MigrationError(f"another migration has been running for more than {LOCK_SECONDS:g} s")
        await asyncio.sleep(_LOCK_PAUSE_SECONDS)
    yield


async def _find_unapplied(connection: asyncpg.Connection, known: Sequence[Migration]) -> list[Migration]:
    if not await connection.fetchval(_KNOWN):
        return list(known)
    return find_pending(known, [Applied(*row) for row in await connection.fetch(_APPLIED)])


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    for attempt in range(1, TRIES + 1):
        try:
            return await _apply_once(connection, migration)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if attempt == TRIES:
                message = f"migration {migration.name} found no moment without long transactions; try again later"
                raise MigrationError(message) from error
            await asyncio.sleep(_random.uniform(0, min(LONGEST_PAUSE_SECONDS, 0.1 * 2**attempt)))
        except asyncpg.PostgresError as error:
            raise MigrationError(f"migration {migration.name} failed: {error}") from error
    return None


async def _apply_once(connection: asyncpg.Connection, migration: Migration) -> None:
    if migration.in_transaction:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await _record(connection, migration)
        return
    await connection.execute("SET lock_timeout = 0")
    for statement in migration.statements:
        await connection.execute(statement)
    await _record(connection, migration)
    await connection.execute("SET lock_timeout = '2s'")


async def _record(connection: asyncpg.Connection, migration: Migration) -> None:
    now = int(time.time() * 1000)
    await connection.execute(_RECORD, migration.number, migration.name, migration.checksum, migration.runs_with, now)
