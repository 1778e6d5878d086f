"""Between rows of the table ``audit`` and the port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.domain.model import Millis, SessionId, TenantId, UserId
from sanctum_messaging.ports.audit import AuditEntry

if TYPE_CHECKING:
    from sanctum_messaging.adapters.sql.rows import Row

AUDIT = "at, id, tenant, bearer, act_as, token_id, session, address, action, request_id"


def audit_row(entry: AuditEntry) -> tuple[int | str | None, ...]:
    """Write the columns of ``AUDIT``."""
    return (
        entry.at,
        entry.id,
        entry.tenant,
        entry.bearer,
        entry.act_as,
        entry.token_id,
        entry.session,
        entry.address,
        entry.action,
        entry.request_id,
    )


def audit_entry_of(row: Row) -> AuditEntry:
    """Read the columns of ``AUDIT``."""
    return AuditEntry(
        at=Millis(row[0]),
        id=row[1],
        tenant=TenantId(row[2]),
        bearer=UserId(row[3]),
        act_as=row[4],
        token_id=row[5],
        session=SessionId(row[6]),
        address=row[7],
        action=row[8],
        request_id=row[9],
    )
