"""Idempotency keys: kept for 24 hours, written in the append that they protect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sql.idempotency import KEPT_MS, answer_of
from sanctum_messaging.adapters.sqlite.database import encode, fetch_row
from sanctum_messaging.adapters.sqlite.forgetting import forget_rows

if TYPE_CHECKING:
    import apsw

    from sanctum_messaging.domain.model import Millis, TenantId
    from sanctum_messaging.ports.log import Answer, Idempotency

_FIND = """
SELECT fingerprint, answer FROM idempotency WHERE tenant = ? AND user_id = ? AND key = ? AND created_at > ?
"""
_INSERT = "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?, ?)"
_FORGET = """
DELETE FROM idempotency WHERE (tenant, user_id, key) IN (
    SELECT tenant, user_id, key FROM idempotency WHERE created_at <= ? LIMIT ?)
"""


def find_answer(connection: apsw.Connection, tenant: TenantId, idempotency: Idempotency, now: Millis) -> Answer | None:
    """Find what the key was answered.

    Raises:
        InvalidError: ``idempotency_key_reused``.
    """
    row = fetch_row(connection, _FIND, (tenant, idempotency.user_id, idempotency.key, now - KEPT_MS))
    if row is None:
        return None
    return answer_of(row[0], row[1], idempotency)


def insert_answer(
    connection: apsw.Connection, tenant: TenantId, idempotency: Idempotency, answer: Answer, *, now: Millis
) -> None:
    """Keep what the key is answered."""
    connection.execute(
        _INSERT,
        (tenant, idempotency.user_id, idempotency.key, idempotency.fingerprint, encode(answer), now),
    )


def forget_answers(connection: apsw.Connection, now: Millis) -> int:
    """Delete a portion of the keys past their time."""
    return forget_rows(connection, _FORGET, now - KEPT_MS)
