"""The table ``audit``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sql.audit import AUDIT, audit_entry_of, audit_row
from sanctum_messaging.adapters.sqlite.forgetting import forget_rows
from sanctum_messaging.ports.audit import AUDIT_KEPT_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.domain.model import Millis
    from sanctum_messaging.ports.audit import AuditEntry, AuditQuery

_APPEND = f"INSERT INTO audit ({AUDIT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_READ = f"""
SELECT {AUDIT} FROM audit WHERE at >= :since AND (:user IS NULL OR bearer = :user OR act_as = :user)
ORDER BY at DESC, id DESC LIMIT :limit
"""
# No later than the database's own clock, which is what the trigger goes by.
_FORGET = f"""
DELETE FROM audit WHERE (at, id) IN (
    SELECT at, id FROM audit
    WHERE at <= min(?, 1000 * CAST(strftime('%s', 'now') AS INTEGER)) - {AUDIT_KEPT_MS} LIMIT ?)
"""


class SQLiteAudit:
    """``ports.audit.AuditLog`` on the table ``audit``."""

    def __init__(self, database: Database) -> None:
        """Use the database that everything else is in."""
        self._database = database

    async def append(self, entries: Sequence[AuditEntry]) -> Sequence[None]:
        """Add entries; see the port."""
        rows = [audit_row(entry) for entry in entries]
        await self._database.write(lambda connection: connection.executemany(_APPEND, rows))
        return [None] * len(entries)

    async def read(self, query: AuditQuery) -> Sequence[AuditEntry]:
        """Read entries; see the port."""
        return await self._database.read(lambda connection: read_audit(connection, query))


def read_audit(connection: apsw.Connection, query: AuditQuery) -> list[AuditEntry]:
    """Read entries on any connection, which may be one beside a service that runs."""
    bindings = {"since": query.since, "user": query.user, "limit": query.limit}
    return [audit_entry_of(row) for row in connection.execute(_READ, bindings)][::-1]


def forget_audit(connection: apsw.Connection, now: Millis) -> int:
    """Delete a portion of the entries past their time."""
    return forget_rows(connection, _FORGET, now)
