"""Instances of the service on one database, as far as the store goes, and looks at what the database makes of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from sanctum_messaging.adapters.postgres.database import Database
from sanctum_messaging.adapters.postgres.store import PostgresStore
from tests.conftest import HandClock
from tests.postgres_database import opened
from tests.support import Arranged

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from sanctum_messaging.domain.model import Message

LOG_LOCK = "SELECT pg_advisory_xact_lock(23434227459839309)"
_WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = {}"
_THIS = "(SELECT oid FROM pg_database WHERE datname = current_database())"
_POLL_SECONDS = 0.005


class Instance:
    """A store on its own connections, with the shorthands of tests."""

    def __init__(self, database: Database, clock: HandClock) -> None:
        self.database = database
        self.store = PostgresStore(database, clock)
        self.arranged = Arranged(self.store)


@asynccontextmanager
async def instance_at(url: str, clock: HandClock) -> AsyncGenerator[Instance]:
    """Open one more instance on a migrated database."""
    async with opened(url) as database:
        yield Instance(database, clock)


class Observer:
    """A session of its own, which looks at the database, and takes the log lock or kills sessions when told."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncGenerator[Observer]:
        connection = await asyncpg.connect(url)
        try:
            yield cls(connection)
        finally:
            await connection.close()

    async def count(self, table: str) -> int:
        """Count the rows of a table."""
        return int(await self.connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608 - a test names it

    async def wait_for_waiters(self, number: int = 1) -> None:
        """Wait until so many sessions wait for the log lock."""
        await self.until(lambda: self._waiting(number))

    async def wait_for_rows(self, table: str, number: int) -> None:
        """Wait until a table has so many rows."""
        await self.until(lambda: self._holds(table, number))

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Ask again until it holds; the test's time limit ends what never does."""
        while not await holds():  # noqa: ASYNC110 - the database raises no event
            await asyncio.sleep(_POLL_SECONDS)

    async def _waiting(self, number: int) -> bool:
        return int(await self.connection.fetchval(_WAITING.format(_THIS))) >= number

    async def _holds(self, table: str, number: int) -> bool:
        return await self.count(table) == number


class InTransaction(Database):
    """A database whose appends become part of a transaction that a test has open."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        super().__init__("postgresql://127.0.0.1/nowhere")
        self._connection = connection

    async def append(self, statement: str, *arguments: object, repeatable: bool) -> list[asyncpg.Record]:
        return list(await self._connection.fetch(statement, *arguments))

    async def read(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        return list(await self._connection.fetch(statement, *arguments))

    follow = read


def stored_once(message: Message, rows: list[asyncpg.Record]) -> bool:
    """Tell whether the rows of ``message`` hold this one and no second of its client message id."""
    return [row["id"] for row in rows if row["client_message_id"] == message.client_message_id] == [message.id]
