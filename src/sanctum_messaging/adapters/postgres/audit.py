"""The table ``audit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sanctum_messaging.adapters.postgres.forgetting import forget_rows
from sanctum_messaging.adapters.sql.audit import AUDIT, audit_entry_of, audit_row
from sanctum_messaging.ports.audit import AUDIT_KEPT_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from sanctum_messaging.adapters.postgres.database import Database
    from sanctum_messaging.domain.model import Millis
    from sanctum_messaging.ports.audit import AuditEntry, AuditQuery

_Key: TypeAlias = tuple[int, str]

WINDOW = 100_000
"""Entries that one statement looks at, well within the time that the server gives it: 25 MB."""
_BEHIND_ALL: _Key = (2**63 - 1, "")
# Ids are drawn before the first attempt, so that a repeat after a lost connection adds nothing twice.
_APPEND = f"""
INSERT INTO audit ({AUDIT})
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::text[])
ON CONFLICT (at, id) DO NOTHING
"""
# Below the key ($1, $2): the last of so many entries, and what from another key on is a user's.
_EDGE = """
SELECT at, id FROM audit WHERE (at, id) < ($1, $2) AND at >= $3 ORDER BY at DESC, id DESC OFFSET $4 LIMIT 1
"""
_READ = f"""
SELECT {AUDIT} FROM audit
WHERE (at, id) < ($1, $2) AND (at, id) >= ($3, $4) AND ($5::text IS NULL OR bearer = $5 OR act_as = $5)
ORDER BY at DESC, id DESC LIMIT $6
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
        """Read entries; see the port. No index knows users, so that a rare one is looked for window by window."""
        found: list[asyncpg.Record] = []
        end: _Key = _BEHIND_ALL
        while len(found) < query.limit:
            edge = await self._database.read_row(_EDGE, *end, query.since, WINDOW - 1)
            begin = (query.since, "") if edge is None else (edge["at"], edge["id"])
            found += await self._database.read(_READ, *end, *begin, query.user, query.limit - len(found))
            if edge is None:
                break
            end = begin
        return [audit_entry_of(row) for row in reversed(found)]


async def forget_audit(database: Database, now: Millis) -> int:
    """Delete the entries past their time."""
    return await forget_rows(database, _FORGET, now - AUDIT_KEPT_MS)
