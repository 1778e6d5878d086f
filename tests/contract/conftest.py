"""The stores whose contract is proven. Each test runs on every one of them, and has it to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.postgres.store import PostgresStore
from sanctum_messaging.adapters.sqlite.database import Database as SQLiteDatabase
from sanctum_messaging.adapters.sqlite.store import SQLiteStore
from tests.postgres_database import opened

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from sanctum_messaging.domain.model import Cursor
    from sanctum_messaging.ports.store import Store
    from tests.conftest import HandClock

FIXTURES = {"sqlite": "database", "postgres": "migrated_url"}
"""What brings the database of each."""


@pytest.fixture(params=FIXTURES)
def place(request: pytest.FixtureRequest) -> SQLiteDatabase | str:
    """Prepare a database of the one or the other kind, empty and migrated."""
    found: SQLiteDatabase | str = request.getfixturevalue(FIXTURES[request.param])
    return found


@pytest.fixture
async def store(place: SQLiteDatabase | str, clock: HandClock) -> AsyncGenerator[Store]:
    if isinstance(place, SQLiteDatabase):
        yield SQLiteStore(place, clock)
        return
    async with opened(place) as database:
        yield PostgresStore(database, clock)


@pytest.fixture
def move_floor(store: Store) -> Callable[[Cursor], Awaitable[None]]:
    """Return what forgets the log up to a cursor."""

    async def move(floor: Cursor) -> None:
        match store:
            case SQLiteStore():
                writer = store._database.writer
                writer.execute("DELETE FROM event WHERE position <= ?", (floor.position,))
                writer.execute("UPDATE log_floor SET position = ?, tag = ?", (floor.position, floor.tag))
            case PostgresStore():
                write = store._database.write
                await write("DELETE FROM event WHERE position <= $1", floor.position)
                await write("UPDATE log_floor SET position = $1, tag = $2", floor.position, floor.tag)
            case _:
                pytest.fail("it is not known how this store forgets")

    return move
