"""Reading conversations: the list, the badge, and the one direct conversation of two users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from sanctum_messaging.adapters.sqlite.database import fetch_json, fetch_row
from sanctum_messaging.adapters.sqlite.head import read_head
from sanctum_messaging.domain.model import Conversation, ConversationView, Cursor, Position, Seq, UnreadTotals

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from sanctum_messaging.domain.model import TenantId, UserId

UNREAD = f"""(
    SELECT count(*) FROM (
        SELECT 1 FROM message u INDEXED BY message_unread
        WHERE u.conversation_id = p.conversation_id AND u.seq > p.read_seq AND u.sender_id <> p.user_id
            AND u.deleted_at IS NULL
        LIMIT {MOST_UNREAD}))
"""
# In a conversation of joined history the newest message of each interval is looked up, and the newest of those taken.
_LAST_MESSAGE = """(
    SELECT CASE c.visibility WHEN 'all' THEN (
        SELECT max(n.seq) FROM message n WHERE n.conversation_id = c.id)
    ELSE (
        SELECT max((SELECT max(n.seq) FROM message n
            WHERE n.conversation_id = c.id AND n.seq BETWEEN i.first_seq AND coalesce(i.last_seq, 9007199254740991)))
        FROM membership i WHERE i.tenant = p.tenant AND i.user_id = p.user_id AND i.conversation_id = c.id)
    END)
"""
_LIST = f"""
WITH active AS MATERIALIZED (
    SELECT conversation_id, last_position FROM (
        SELECT p.conversation_id,
            (SELECT max(e.position) FROM event e WHERE e.conversation_id = p.conversation_id) AS last_position
        FROM participant p INDEXED BY participant_of_user
        WHERE p.tenant = :tenant AND p.user_id = :user AND p.left_at IS NULL)
    WHERE last_position < :before
    ORDER BY last_position DESC LIMIT :limit
)
SELECT json_array(
    json((SELECT json_array(position, tag) FROM event ORDER BY position DESC LIMIT 1)),
    json((SELECT json_group_array(json_array(
        {CONVERSATION}, {PARTICIPANT}, a.last_position, p.read_seq, {UNREAD},
        json((SELECT json_array({MESSAGE}) FROM message m
            WHERE m.conversation_id = c.id AND m.seq = {_LAST_MESSAGE}))))
     FROM active a
     CROSS JOIN conversation c ON c.id = a.conversation_id
     CROSS JOIN participant p ON p.conversation_id = c.id AND p.user_id = :user)))
"""
# Materialized, because SQLite would count once for the sum and again for the condition.
_UNREAD_TOTALS = f"""
WITH counted AS MATERIALIZED (
    SELECT {UNREAD} AS unread FROM participant p INDEXED BY participant_of_user
    WHERE p.tenant = :tenant AND p.user_id = :user AND p.left_at IS NULL)
SELECT coalesce(sum(unread), 0), count(*) FROM counted WHERE unread > 0
"""
_DIRECT = f"SELECT {CONVERSATION} FROM conversation c WHERE c.tenant = :tenant AND c.direct_key = :key"
_NO_BOUND = 2**63 - 1


def list_conversations(
    connection: apsw.Connection, tenant: TenantId, user: UserId, *, before: Position | None, limit: int
) -> tuple[Sequence[ConversationView], Cursor]:
    """List the user's conversations, the most recently active first, with the log's end, in one statement."""
    names = {"tenant": tenant, "user": user, "before": _NO_BOUND if before is None else before, "limit": limit}
    head, rows = fetch_json(connection, _LIST, names)
    views = sorted(map(_view_of, rows), key=lambda view: -view.last_position)
    return views, read_head(connection) if head is None else Cursor(Position(head[0]), head[1])


def count_unread(connection: apsw.Connection, tenant: TenantId, user: UserId) -> UnreadTotals:
    """Sum up what the user has not read."""
    row = fetch_row(connection, _UNREAD_TOTALS, {"tenant": tenant, "user": user})
    return UnreadTotals(0, 0) if row is None else UnreadTotals(row[0], row[1])


def find_direct(connection: apsw.Connection, tenant: TenantId, users: tuple[UserId, UserId]) -> Conversation | None:
    """Find the direct conversation of the two."""
    row = fetch_row(connection, _DIRECT, {"tenant": tenant, "key": direct_key(users)})
    return None if row is None else conversation_of(row)


def _view_of(row: list[Any]) -> ConversationView:
    last_position, read_seq, unread, message = row[CONVERSATION_WIDTH + PARTICIPANT_WIDTH :]
    return ConversationView(
        conversation=conversation_of(row),
        participant=participant_of(row[CONVERSATION_WIDTH:]),
        read_seq=Seq(read_seq),
        unread_count=unread,
        last_message=None if message is None else message_of(message),
        last_position=Position(last_position),
    )
