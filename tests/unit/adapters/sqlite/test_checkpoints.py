"""How long the WAL becomes, which nobody but the writing connection writes back."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import apsw
import pytest

from sanctum_messaging.adapters.sqlite import checkpoints
from sanctum_messaging.adapters.sqlite.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = 4096
FEW, MANY = 10, 100
"""Pages from which on readers are left alone, or waited for."""


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database with a short WAL."""
    monkeypatch.setattr(checkpoints, "CHECKPOINT_PAGES", FEW)
    monkeypatch.setattr(checkpoints, "RESTART_PAGES", MANY)
    database = Database(tmp_path / "messaging.db")
    database.open()
    database.writer.execute("CREATE TABLE filled (content BLOB)")
    yield database
    database.close()


class Reading:
    """A read that takes as long as the test wants it to."""

    def __init__(self, database: Database) -> None:
        self._begun, self._over = threading.Event(), threading.Event()
        self._task = asyncio.create_task(database.read_snapshot(self._hold))

    async def begin(self) -> None:
        await asyncio.to_thread(self._begun.wait)

    async def end(self) -> None:
        self._over.set()
        await self._task

    def _hold(self, connection: apsw.Connection) -> None:
        connection.execute("SELECT count(*) FROM filled").fetchall()
        self._begun.set()
        self._over.wait(20)


def fill(connection: apsw.Connection) -> None:
    """Write ten pages."""
    connection.execute("INSERT INTO filled VALUES (zeroblob(?))", (10 * PAGE,))


def pages_of_wal(database: Database) -> int:
    return database.path.with_name("messaging.db-wal").stat().st_size // PAGE


async def test_it_stays_short_though_somebody_always_reads(watched: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "RESTART_MS", 60_000)
    last = Reading(watched)
    await last.begin()
    for _ in range(60):
        reading = Reading(watched)
        await reading.begin()
        await last.end()
        writing = asyncio.create_task(watched.write(fill))
        # Whoever reads goes on meanwhile, unless it is him for whom the commit waits.
        if not (await asyncio.wait({writing}, timeout=0.05))[0]:
            await reading.end()
        await writing
        last = reading
    await last.end()
    assert pages_of_wal(watched) < 2 * MANY


async def test_who_reads_for_long_is_not_waited_for_at_each_commit(
    watched: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []
    monkeypatch.setattr(checkpoints, "RESTART_MS", 0)
    begin_anew = checkpoints.Checkpoints._begin_anew

    def count(self: checkpoints.Checkpoints, connection: apsw.Connection) -> None:
        waits.append(pages_of_wal(watched))
        begin_anew(self, connection)

    monkeypatch.setattr(checkpoints.Checkpoints, "_begin_anew", count)
    backup = Reading(watched)
    await backup.begin()
    for _ in range(50):
        await watched.write(fill)
    assert pages_of_wal(watched) > 5 * MANY
    assert 0 < len(waits) <= pages_of_wal(watched) // MANY
    await backup.end()
    for _ in range(2 * MANY // 10):
        await watched.write(fill)
    assert pages_of_wal(watched) <= MANY + 1


async def test_a_commit_stands_though_nothing_can_be_written_back(
    watched: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: checkpoints.Checkpoints, _connection: apsw.Connection) -> None:
        raise apsw.IOError

    monkeypatch.setattr(checkpoints.Checkpoints, "_begin_anew", fail)
    backup = Reading(watched)
    await backup.begin()
    for _ in range(15):
        await watched.write(fill)
    await backup.end()
    assert watched.writer.execute("SELECT count(*) FROM filled").get == 15
