"""A database of PostgreSQL as the service opens it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.postgres.database import Database
from sanctum_messaging.adapters.postgres.migrate import apply_migrations

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@asynccontextmanager
async def migrated(url: str) -> AsyncGenerator[Database]:
    """Bring an empty database to the present schema and open it."""
    await apply_migrations(url)
    async with opened(url) as database:
        yield database


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Database]:
    """Open a database as one more instance does."""
    database = Database(url)
    await database.open()
    try:
        yield database
    finally:
        await database.close()
