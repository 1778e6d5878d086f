"""Reading conversations: the list, the badge, and the one direct conversation of two users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.postgres.head import HEAD
from sanctum_messaging.adapters.postgres.messages import VISIBLE_SPANS
from sanctum_messaging.adapters.sql.rows import (
    CONVERSATION,
    CONVERSATION_WIDTH,
    MESSAGE,
    MOST_UNREAD,
    PARTICIPANT,
    PARTICIPANT_WIDTH,
    conversation_of,
    direct_key,
    message_of,
    participant_of,
)
from sanctum_messaging.adapters.sql.stream import cursor_of
from sanctum_messaging.domain.model import Conversation, ConversationView, Position, Seq, UnreadTotals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.adapters.postgres.database import Database
    from sanctum_messaging.adapters.sql.rows import Row
    from sanctum_messaging.domain.model import Cursor, TenantId, UserId

# Of the participant p. Only message_unread has this order, so that nothing is read but that index.
UNREAD = f"""(
    SELECT count(*) FROM (
        SELECT 1 FROM message u
        WHERE u.conversation_id = p.conversation_id AND u.seq > p.read_seq AND u.sender_id <> p.user_id
            AND u.deleted_at IS NULL
        ORDER BY u.seq, u.sender_id LIMIT {MOST_UNREAD}) AS counted)
"""
# The user's conversations by their newest events, which the end of each one's part of event_by_position tells.
_ACTIVE = """
SELECT p.conversation_id, newest.position AS last_position
FROM participant p
CROSS JOIN LATERAL (
    SELECT e.position FROM event e WHERE e.conversation_id BETWEEN p.conversation_id AND p.conversation_id
    ORDER BY e.conversation_id DESC, e.position DESC LIMIT 1) AS newest
WHERE p.tenant = $1 AND p.user_id = $2 AND p.left_at IS NULL AND newest.position < $3
ORDER BY newest.position DESC LIMIT $4
"""
# The newest message of each visible span is looked up, and the newest of those taken.
_LAST_MESSAGE = f"""
SELECT {MESSAGE} FROM {VISIBLE_SPANS} AS span
CROSS JOIN LATERAL (
    SELECT m.* FROM message m
    WHERE m.conversation_id = c.id AND m.seq BETWEEN span.first AND span.last
    ORDER BY m.seq DESC LIMIT 1) AS m
ORDER BY m.seq DESC LIMIT 1
"""
_LIST = f"""
SELECT head.position, head.tag, line.*
FROM {HEAD} AS head
LEFT JOIN LATERAL (
    SELECT {CONVERSATION}, {PARTICIPANT}, a.last_position, p.read_seq, {UNREAD}, {MESSAGE}
    FROM ({_ACTIVE}) AS a
    CROSS JOIN LATERAL (SELECT c.* FROM conversation c WHERE c.id = a.conversation_id LIMIT 1) AS c
    CROSS JOIN LATERAL (
        SELECT p.* FROM participant p WHERE p.conversation_id = a.conversation_id AND p.user_id = $2 LIMIT 1) AS p
    LEFT JOIN LATERAL ({_LAST_MESSAGE}) AS m ON true
) AS line ON true
ORDER BY line.last_position DESC
"""
_UNREAD_TOTALS = f"""
SELECT coalesce(sum(counted.unread), 0)::bigint, count(*)
FROM participant p
CROSS JOIN LATERAL {UNREAD} AS counted(unread)
WHERE p.tenant = $1 AND p.user_id = $2 AND p.left_at IS NULL AND counted.unread > 0
"""
_DIRECT = f"SELECT {CONVERSATION} FROM conversation c WHERE c.tenant = $1 AND c.direct_key = $2"
_NO_BOUND = 2**63 - 1
_VIEW_WIDTH = CONVERSATION_WIDTH + PARTICIPANT_WIDTH


async def list_conversations(
    database: Database, tenant: TenantId, user: UserId, *, before: Position | None, limit: int
) -> tuple[Sequence[ConversationView], Cursor]:
    """List the user's conversations, the most recently active first, with the log's end, in one statement."""
    rows = await database.read(_LIST, tenant, user, _NO_BOUND if before is None else before, limit)
    return [_view_of(row[2:]) for row in rows if row[2] is not None], cursor_of(rows[0])


async def count_unread(database: Database, tenant: TenantId, user: UserId) -> UnreadTotals:
    """Sum up what the user has not read."""
    row = (await database.read(_UNREAD_TOTALS, tenant, user))[0]
    return UnreadTotals(row[0], row[1])


async def find_direct(database: Database, tenant: TenantId, users: tuple[UserId, UserId]) -> Conversation | None:
    """Find the direct conversation of the two."""
    row = await database.read_row(_DIRECT, tenant, direct_key(users))
    return None if row is None else conversation_of(row)


def _view_of(row: Row) -> ConversationView:
    rest = row[_VIEW_WIDTH:]
    return ConversationView(
        conversation=conversation_of(row),
        participant=participant_of(row[CONVERSATION_WIDTH:]),
        read_seq=Seq(rest[1]),
        unread_count=rest[2],
        last_message=None if rest[3] is None else message_of(rest[3:]),
        last_position=Position(rest[0]),
    )
