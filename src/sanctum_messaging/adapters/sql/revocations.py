"""Between rows of the table ``revocation`` and the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.domain.model import Millis, TenantId
from sanctum_messaging.domain.revocation import NewRevocation, Revocation, RevocationKind

if TYPE_CHECKING:
    from sanctum_messaging.adapters.sql.rows import Row

REVOCATION = "id, tenant, kind, value, not_before, created_at"


def revocation_of(row: Row) -> Revocation:
    """Read the columns of ``REVOCATION``."""
    return Revocation(row[0], TenantId(row[1]), RevocationKind(row[2]), row[3], Millis(row[4]), Millis(row[5]))


def stored_revocation(revocation_id: int, new: NewRevocation, now: Millis) -> Revocation:
    """Tell what was stored."""
    return Revocation(revocation_id, new.tenant, new.kind, new.value, new.not_before, now)
