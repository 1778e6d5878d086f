"""The log's end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sql.stream import cursor_of

if TYPE_CHECKING:
    from sanctum_messaging.adapters.postgres.database import Database
    from sanctum_messaging.domain.model import Cursor

# The newest event, which is never below the floor; the floor while there is none.
HEAD = """(
    SELECT h.position, h.tag FROM (
        (SELECT position, tag FROM event ORDER BY position DESC LIMIT 1)
        UNION ALL
        SELECT position, tag FROM log_floor WHERE one = 1
    ) AS h ORDER BY h.position DESC LIMIT 1)
"""
_READ = f"SELECT position, tag FROM {HEAD} AS head"


async def read_head(database: Database) -> Cursor:
    """Return the newest event's cursor; with an empty log, the floor's."""
    return cursor_of((await database.read(_READ))[0])
