"""Idempotency keys: found before a decision, and forgotten after 24 hours. The append itself writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.postgres.forgetting import forget_rows
from sanctum_messaging.adapters.sql.idempotency import KEPT_MS, answer_of

if TYPE_CHECKING:
    from sanctum_messaging.adapters.postgres.database import Database
    from sanctum_messaging.domain.model import Millis, TenantId
    from sanctum_messaging.ports.log import Answer, Idempotency

_FIND = """
SELECT fingerprint, answer FROM idempotency WHERE tenant = $1 AND user_id = $2 AND key = $3 AND created_at > $4
"""
_FORGET = """
DELETE FROM idempotency WHERE ctid = ANY (ARRAY(SELECT ctid FROM idempotency WHERE created_at <= $1 LIMIT $2))
RETURNING 1
"""


async def find_answer(database: Database, tenant: TenantId, idempotency: Idempotency, now: Millis) -> Answer | None:
    """Find what the key was answered.

    Raises:
        InvalidError: ``idempotency_key_reused``.
    """
    row = await database.read_row(_FIND, tenant, idempotency.user_id, idempotency.key, now - KEPT_MS)
    return None if row is None else answer_of(row["fingerprint"], row["answer"], idempotency)


async def forget_answers(database: Database, now: Millis) -> int:
    """Delete the keys past their time."""
    return await forget_rows(database, _FORGET, now - KEPT_MS)
