"""The table ``revocation``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.postgres.forgetting import forget_rows
from sanctum_messaging.adapters.sql.revocations import REVOCATION, revocation_of, stored_revocation
from sanctum_messaging.domain.revocation import REVOCATION_KEPT_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.adapters.postgres.database import Database
    from sanctum_messaging.domain.model import Millis
    from sanctum_messaging.domain.revocation import NewRevocation, Revocation
    from sanctum_messaging.ports.clock import Clock

_ADD = "SELECT add_revocation($1, $2, $3, $4, $5) AS id"
_READ = f"SELECT {REVOCATION} FROM revocation WHERE id >= $1 ORDER BY id LIMIT $2"
_FORGET = """
DELETE FROM revocation WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM revocation
    WHERE created_at <= $1 AND id < (SELECT id FROM revocation ORDER BY id DESC LIMIT 1) LIMIT $2))
RETURNING 1
"""


class PostgresRevocations:
    """``ports.revocations.Revocations`` on the table ``revocation``; each call is one statement."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Use the database that everything else is in."""
        self._database = database
        self._clock = clock

    async def add(self, new: NewRevocation) -> Revocation:
        """Store a revocation; see the port."""
        now = self._clock.now()
        values = (new.tenant, new.kind.value, new.value, new.not_before, now)
        rows = await self._database.write(_ADD, *values, repeatable=True)
        return stored_revocation(rows[0]["id"], new, now)

    async def read_from(self, revocation_id: int, *, limit: int) -> Sequence[Revocation]:
        """Read a revocation and those after it; see the port."""
        return [revocation_of(row) for row in await self._database.follow(_READ, revocation_id, limit)]


async def forget_revocations(database: Database, now: Millis) -> int:
    """Delete those past their time, the newest aside: it keeps ids from being given twice."""
    return await forget_rows(database, _FORGET, now - REVOCATION_KEPT_MS)
