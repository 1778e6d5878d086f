from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import Arranged

if TYPE_CHECKING:
    import apsw

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.adapters.sqlite.store import SQLiteStore


async def test_positions_that_would_not_follow_the_head_are_not_given(store: SQLiteStore, database: Database) -> None:
    arranged = Arranged(store)
    group = await arranged.create("ann")

    def lose(connection: apsw.Connection) -> None:
        for _ in connection.execute("DELETE FROM event; UPDATE log_floor SET position = 5"):
            pass

    await database.write(lose)
    with pytest.raises(RuntimeError, match="newest row"):
        await store.append_messages([arranged.draft(group, "ann")])
    assert await database.read(lambda connection: connection.execute("SELECT count(*) FROM message").get) == 0
