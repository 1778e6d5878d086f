"""What the database itself keeps, whatever the code above it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import pytest

from tests.support import Arranged

if TYPE_CHECKING:
    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.adapters.sqlite.store import SQLiteStore

_COPY = """
INSERT INTO message SELECT 'other-id', conversation_id, seq + 100, sender_id, device_id, client_message_id, type, body,
    metadata, reply_to, created_at, edited_at, deleted_at, version, content_hash FROM message
"""


async def test_a_client_message_id_is_unique_by_index(store: SQLiteStore, database: Database) -> None:
    arranged = Arranged(store)
    await arranged.send(await arranged.create("ann"), "ann")
    with pytest.raises(apsw.ConstraintError, match="client_message_id"):
        database.writer.execute(_COPY)


async def test_a_log_that_lost_its_end_grows_another(store: SQLiteStore, database: Database) -> None:
    """The tag is drawn, so that the same position after a restored backup is told from the one that was lost."""
    arranged = Arranged(store)
    conversation = await arranged.create("ann")
    await arranged.send(conversation, "ann")
    lost = await store.read_head()
    database.writer.execute("DELETE FROM event WHERE position = 2; DELETE FROM message")
    assert await store.check_cursor(lost) == "diverged"
    await arranged.send(conversation, "ann")
    assert (await store.read_head()).position == lost.position
    assert await store.check_cursor(lost) == "diverged"


async def test_a_cursor_below_the_floor_is_too_old(store: SQLiteStore, database: Database) -> None:
    arranged = Arranged(store)
    conversation = await arranged.create("ann")
    cursors = [await store.read_head()]
    for _ in range(3):
        await arranged.send(conversation, "ann")
        cursors.append(await store.read_head())
    floor = cursors[1]
    database.writer.execute("DELETE FROM event WHERE position <= ?", (floor.position,))
    database.writer.execute("UPDATE log_floor SET position = ?, tag = ?", (floor.position, floor.tag))
    assert [await store.check_cursor(each) for each in cursors] == ["too_old", "ok", "ok", "ok"]
