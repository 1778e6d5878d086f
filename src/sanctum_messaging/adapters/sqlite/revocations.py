"""The table ``revocation``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sql.revocations import REVOCATION, revocation_of, stored_revocation
from sanctum_messaging.adapters.sqlite.forgetting import forget_rows
from sanctum_messaging.domain.revocation import REVOCATION_KEPT_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.domain.model import Millis
    from sanctum_messaging.domain.revocation import NewRevocation, Revocation
    from sanctum_messaging.ports.clock import Clock

_ADD = f"""
INSERT INTO revocation ({REVOCATION}) SELECT coalesce(max(id), 0) + 1, ?, ?, ?, ?, ? FROM revocation RETURNING id
"""
_READ = f"SELECT {REVOCATION} FROM revocation WHERE id >= ? ORDER BY id LIMIT ?"
_FORGET = """
DELETE FROM revocation WHERE id IN (
    SELECT id FROM revocation WHERE created_at <= ? AND id < (SELECT max(id) FROM revocation) LIMIT ?)
"""


class SQLiteRevocations:
    """``ports.revocations.Revocations`` on the table ``revocation``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Use the database that everything else is in."""
        self._database = database
        self._clock = clock

    async def add(self, new: NewRevocation) -> Revocation:
        """Store a revocation; see the port."""
        now = self._clock.now()
        row = (new.tenant, new.kind, new.value, new.not_before, now)
        added = await self._database.write(lambda connection: connection.execute(_ADD, row).get)
        return stored_revocation(added, new, now)

    async def read_from(self, revocation_id: int, *, limit: int) -> Sequence[Revocation]:
        """Read a revocation and those after it; see the port."""
        return await self._database.read(
            lambda connection: [revocation_of(row) for row in connection.execute(_READ, (revocation_id, limit))]
        )


def forget_revocations(connection: apsw.Connection, now: Millis) -> int:
    """Delete a portion of those past their time, the newest aside: it keeps ids from being given twice."""
    return forget_rows(connection, _FORGET, now - REVOCATION_KEPT_MS)
