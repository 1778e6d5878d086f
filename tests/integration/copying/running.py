"""Copying as the command does it, in chunks so small that a few rows make many, and looking at what came of it."""

from __future__ import annotations

import io
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import apsw
import asyncpg
import pytest

from sanctum_messaging.adapters.postgres.copy_target import open_target
from sanctum_messaging.adapters.postgres.database import Database, DatabaseRefusedError
from sanctum_messaging.adapters.postgres.installation import Installation, read_installation
from sanctum_messaging.adapters.postgres.resume_store import PostgresResumeStore
from sanctum_messaging.adapters.postgres.store import PostgresStore
from sanctum_messaging.adapters.sql.tables import TABLES
from sanctum_messaging.adapters.sqlite.copy_source import open_source
from sanctum_messaging.bootstrap.copying.progress import Progress
from sanctum_messaging.bootstrap.copying.transfer import transfer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from sanctum_messaging.bootstrap.copying.transfer import Transferred
    from sanctum_messaging.ports.clock import Clock

CHUNK_ROWS = 3


class Interruption(Exception):
    """Stands for a kill, after which the connection is gone and nothing is tidied up."""


class InterruptedProgress(Progress):
    """Ends a copy after so many chunks."""

    def __init__(self, chunks: int) -> None:
        super().__init__(io.StringIO(), 0, lambda: 0.0)
        self._left = chunks

    def advance(self, rows: int) -> None:
        super().advance(rows)
        self._left -= 1
        if not self._left:
            raise Interruption


async def copy(path: Path, url: str, *, progress: Progress | None = None) -> Transferred:
    """Copy, or go on with a copy."""
    with open_source(path, chunk_rows=CHUNK_ROWS) as source:
        async with open_target(url) as target:
            return await transfer(source, target, progress or Progress(io.StringIO(), 0, lambda: 0.0))


async def interrupt_copy(path: Path, url: str, *, chunks: int) -> None:
    """Begin a copy, or go on with it, and end it after so many chunks."""
    with pytest.raises(Interruption):
        await copy(path, url, progress=InterruptedProgress(chunks))


def count_chunks(path: Path) -> int:
    with open_source(path, chunk_rows=CHUNK_ROWS) as source:
        return sum(len(list(source.read_chunks(table))) for table in TABLES)


@asynccontextmanager
async def open_copy(url: str, clock: Clock) -> AsyncGenerator[tuple[PostgresStore, PostgresResumeStore]]:
    """Open the database as an instance does."""
    database = Database(url)
    await database.open()
    try:
        await read_installation(database)
        yield PostgresStore(database, clock), PostgresResumeStore(database, clock)
    finally:
        await database.close()


async def find_installation(url: str) -> Installation:
    database = Database(url)
    try:
        return await read_installation(database)
    finally:
        await database.close()


async def assert_not_served(url: str) -> None:
    with pytest.raises(DatabaseRefusedError, match="unfinished copy"):
        await find_installation(url)


async def run_sql(url: str, statement: str, *arguments: object) -> list[tuple[object, ...]]:
    """Run a statement in PostgreSQL."""
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement, *arguments)]
    finally:
        await connection.close()


async def count_rows(url: str) -> dict[str, object]:
    """Count the rows of the tables that are copied."""
    counts = " UNION ALL ".join(f"SELECT '{table.name}', count(*) FROM {table.name}" for table in TABLES)  # noqa: S608 - names of ours
    return {str(name): count for name, count in await run_sql(url, counts)}


def run_in_file(path: Path, statement: str, *arguments: str | bytes | float) -> None:
    """Run a statement in a SQLite file that nobody serves."""
    connection = apsw.Connection(str(path))
    connection.execute(statement, arguments)
    connection.close()
