"""Reading messages, as far back as the reader may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.postgres.participants import PARTICIPATION, PRESENT
from sanctum_messaging.adapters.sql.rows import MESSAGE, MESSAGE_WIDTH, message_of, participation_of
from sanctum_messaging.ports.store import VisibleMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from sanctum_messaging.adapters.postgres.database import Database
    from sanctum_messaging.domain.model import ConversationId, Message, MessageId, TenantId, UserId
    from sanctum_messaging.ports.store import MessageBounds

# The seqs of the conversation c that the participant p may see: all, or those of his memberships, which don't overlap.
VISIBLE_SPANS = """(
    SELECT 0 AS first, 9007199254740991 AS last WHERE c.visibility = 'all'
    UNION ALL
    SELECT i.first_seq, coalesce(i.last_seq, 9007199254740991) FROM membership i
    WHERE c.visibility <> 'all' AND i.tenant = c.tenant AND i.user_id = p.user_id AND i.conversation_id = c.id)
"""
_FIND = f"""
SELECT {MESSAGE}, {PARTICIPATION}
FROM (SELECT m.* FROM message m WHERE m.id = $3 LIMIT 1) AS m
CROSS JOIN LATERAL (SELECT c.* FROM conversation c WHERE c.id = m.conversation_id LIMIT 1) AS c
{PRESENT}
WHERE c.tenant = $1 AND c.deleted_at IS NULL AND EXISTS (
    SELECT 1 FROM {VISIBLE_SPANS} AS span WHERE m.seq BETWEEN span.first AND span.last)
"""
# Below $4 the newest $5, above $6 the oldest $7. Each span is entered where it is nearest, and what lies between two of
# them is never read.
_LIST = f"""
SELECT page.*
FROM (SELECT c.* FROM conversation c WHERE c.id = $3 LIMIT 1) AS c
CROSS JOIN LATERAL (
    SELECT p.user_id FROM participant p
    WHERE p.conversation_id = c.id AND p.user_id = $2 AND p.left_at IS NULL LIMIT 1) AS p
LEFT JOIN LATERAL (
    (SELECT false AS newer, {MESSAGE} FROM {VISIBLE_SPANS} AS span
     CROSS JOIN LATERAL (
        SELECT m.* FROM message m
        WHERE m.conversation_id = c.id AND m.seq BETWEEN span.first AND least(span.last, $4::bigint - 1)
        ORDER BY m.seq DESC LIMIT $5) AS m
     ORDER BY m.seq DESC LIMIT $5)
    UNION ALL
    (SELECT true, {MESSAGE} FROM {VISIBLE_SPANS} AS span
     CROSS JOIN LATERAL (
        SELECT m.* FROM message m
        WHERE m.conversation_id = c.id AND m.seq BETWEEN greatest(span.first, $6::bigint + 1) AND span.last
        ORDER BY m.seq LIMIT $7) AS m
     ORDER BY m.seq LIMIT $7)
) AS page ON true
WHERE c.tenant = $1 AND c.deleted_at IS NULL
ORDER BY page.seq
"""
_NO_BOUND = 2**53


async def find_message(
    database: Database, tenant: TenantId, user: UserId, message_id: MessageId
) -> VisibleMessage | None:
    """Find a message that the user may read now."""
    row = await database.read_row(_FIND, tenant, user, message_id)
    return None if row is None else VisibleMessage(message_of(row), participation_of(row[MESSAGE_WIDTH:]))


async def list_messages(
    database: Database,
    tenant: TenantId,
    user: UserId,
    conversation_id: ConversationId,
    *,
    bounds: MessageBounds,
    limit: int,
) -> tuple[Sequence[Message], bool] | None:
    """List a page of visible messages, ascending; none for an outsider.

    One message more than asked for, in each direction that is, tells whether there are more.
    """
    before, older, after, newer = _directions_of(bounds, limit)
    rows = await database.read(_LIST, tenant, user, conversation_id, before, older, after, newer)
    if not rows:
        return None
    below, above = _messages_of(rows, newer=False), _messages_of(rows, newer=True)
    more_below, more_above = len(below) == older > 0, len(above) == newer > 0
    return [*below[more_below:], *above[: len(above) - more_above]], more_below or more_above


def _directions_of(bounds: MessageBounds, limit: int) -> tuple[int, int, int, int]:
    """Tell below which seq how many are read, and above which how many: one more than wanted, or none at all."""
    if bounds.around is not None:
        return bounds.around + 1, (limit + 1) // 2 + 1, bounds.around, limit // 2 + 1
    if bounds.after is not None:
        return 0, 0, bounds.after, limit + 1
    return _NO_BOUND if bounds.before is None else bounds.before, limit + 1, 0, 0


def _messages_of(rows: Sequence[asyncpg.Record], *, newer: bool) -> list[Message]:
    return [message_of(row[1:]) for row in rows if row[0] is newer]
