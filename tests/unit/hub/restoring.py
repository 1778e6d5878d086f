"""A log that loses its end while a hub follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import apsw

    from sanctum_messaging.adapters.sqlite.database import Database
    from tests.hub_world import World


async def restore_backup(world: World, database: Database, *, lost: int) -> None:
    """Make the log lose its newest messages, as when a backup is put back under a running service."""
    head = (await world.store.read_head()).position

    def lose(connection: apsw.Connection) -> None:
        newest = "FROM event WHERE position > ?"
        connection.execute(f"DELETE FROM message WHERE id IN (SELECT message_id {newest})", (head - lost,))  # noqa: S608
        connection.execute(f"DELETE {newest}", (head - lost,))

    await database.write(lose)
