"""The table ``audit``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.postgres.forgetting import forget_rows
from sanctum_messaging.adapters.sql.audit import AUDIT, audit_entry_of, audit_row
from sanctum_messaging.ports.audit import AUDIT_KEPT_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.adapters.postgres.database import Database
    from sanctum_messaging.domain.model import Millis
    from sanctum_messaging.ports.audit import AuditEntry, AuditQuery

# Ids are drawn before the first attempt, so that a repeat after a lost connection adds nothing twice.
_APPEND = f"""
INSERT INTO audit ({AUDIT})
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::text[])
ON CONFLICT (at, id) DO NOTHING
"""
_READ = f"""
SELECT {AUDIT} FROM audit WHERE at >= $1 AND ($2::text IS NULL OR bearer = $2 OR act_as = $2)
ORDER BY at DESC, id DESC LIMIT $3
"""
_FORGET = """
DELETE FROM audit WHERE ctid = ANY (ARRAY(SELECT ctid FROM audit WHERE at <= $1 LIMIT $2))
RETURNING 1
"""


class PostgresAudit:
    """``ports.audit.AuditLog`` on the table ``audit``; each call is one statement."""

    def __init__(self, database: Database) -> None:
        """Use the database that everything else is in."""
        self._database = database

    async def append(self, entries: Sequence[AuditEntry]) -> Sequence[None]:
        """Add entries; see the port."""
        if entries:
            columns = zip(*map(audit_row, entries), strict=True)
            await self._database.write(_APPEND, *map(list, columns), repeatable=True)
        return [None] * len(entries)

    async def read(self, query: AuditQuery) -> Sequence[AuditEntry]:
        """Read entries; see the port."""
        rows = await self._database.read(_READ, query.since, query.user, query.limit)
        return [audit_entry_of(row) for row in reversed(rows)]


async def forget_audit(database: Database, now: Millis) -> int:
    """Delete the entries past their time."""
    return await forget_rows(database, _FORGET, now - AUDIT_KEPT_MS)
