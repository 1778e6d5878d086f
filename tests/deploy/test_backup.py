"""A backup that is taken while the service runs, and what clients see once it is restored."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.e2e.client import Client
from tests.e2e.server import Service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def vacuum_into(database: sqlite3.Connection, backup: Path) -> None:
    database.execute("VACUUM INTO ?", (str(backup),))


def copy_pages(database: sqlite3.Connection, backup: Path) -> None:
    with closing(sqlite3.connect(backup)) as target:
        database.backup(target)


def restore(service: Service, backup: Path) -> None:
    """Put a backup in place of the database of a service that was killed, as docs/operations.md says."""
    for suffix in ("-wal", "-shm"):
        service.database_path.with_name(service.database_path.name + suffix).unlink(missing_ok=True)
    shutil.copy(backup, service.database_path)


@pytest.mark.parametrize("take", [vacuum_into, copy_pages])
async def test_a_restored_backup_is_noticed_by_those_it_concerns(
    tmp_path: Path, take: Callable[[sqlite3.Connection, Path], None]
) -> None:
    with Service(tmp_path / "data") as service:
        async with Client(service.base_url, service.token("ann")) as ann:
            conversation = await ann.create()
            kept = await ann.send(conversation, "Kept", client_message_id="kept")
            earlier = await ann.read_end()
            with closing(sqlite3.connect(service.database_path)) as database:
                take(database, tmp_path / "backup.db")
            lost = await ann.send(conversation, "Lost", client_message_id="lost")
            later = await ann.read_end()

            service.kill()
            restore(service, tmp_path / "backup.db")
            service.start()
            again = await ann.send(conversation, "Kept", client_message_id="kept")
            anew = await ann.send(conversation, "Lost", client_message_id="lost")

            assert again["id"] == kept["id"]
            assert (anew["id"] == lost["id"], anew["seq"]) == (False, lost["seq"])
            await assert_goes_on(ann, earlier, anew["id"])
            await assert_is_told(ann, later)


async def assert_goes_on(ann: Client, cursor: str, message_id: str) -> None:
    async with ann.connect(cursor=cursor) as socket:
        await socket.find_live()
        assert socket.resyncs == []
        assert message_id.encode() in b"".join(socket.messages)


async def assert_is_told(ann: Client, cursor: str) -> None:
    async with ann.connect(cursor=cursor) as socket:
        await socket.find_live()
        assert [resync.reason for resync in socket.resyncs] == ["diverged"]
    answer = await ann.get("/v1/sync", cursor=cursor)
    assert (answer.status_code, answer.json()["code"]) == (410, "cursor_diverged")
