"""Reading the log: a user's stream, a tenant's, and the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sql.rows import EVENT, MESSAGE
from sanctum_messaging.adapters.sql.stream import compare_cursor, cursor_of, events_of, memberships_of, page_of
from sanctum_messaging.adapters.sqlite.database import encode, fetch_json, fetch_row
from sanctum_messaging.adapters.sqlite.head import read_floor_row, read_head
from sanctum_messaging.domain.model import Position

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from sanctum_messaging.adapters.sql.rows import Row
    from sanctum_messaging.domain.events import Event, Memberships
    from sanctum_messaging.domain.model import Cursor, TenantId, UserId
    from sanctum_messaging.ports.log import CursorState, StreamPage

# Each row: hidden, joined_only, then the event and its message. CROSS JOIN keeps the planner from starting anywhere but
# at the user's memberships; the log is entered through event_by_position only.
_STREAM = f"""
SELECT json_group_array(json_array(
    coalesce(e.audience, :user) <> :user
        OR c.visibility = 'joined' AND e.kind IN ('message.updated', 'message.deleted') AND NOT EXISTS (
            SELECT 1 FROM membership j
            WHERE j.tenant = :tenant AND j.user_id = :user AND j.conversation_id = e.conversation_id
            AND m.seq BETWEEN j.first_seq AND coalesce(j.last_seq, m.seq)),
    c.visibility = 'joined',
    {EVENT}, {MESSAGE}))
FROM (
    SELECT shown.position FROM (
        SELECT e.position
        FROM participant p INDEXED BY participant_of_user
        CROSS JOIN membership i
            ON i.tenant = p.tenant AND i.user_id = p.user_id AND i.conversation_id = p.conversation_id
        CROSS JOIN event e INDEXED BY event_by_position
            ON e.conversation_id = p.conversation_id
            AND e.position > max(:after, i.first_position - 1)
            AND e.position <= min(:upto, coalesce(i.last_position, :upto))
        WHERE p.tenant = :tenant AND p.user_id = :user AND p.left_at IS NULL
        UNION ALL
        SELECT g.left_position
        FROM participant g INDEXED BY participant_gone
        WHERE g.tenant = :tenant AND g.user_id = :user AND g.left_at IS NOT NULL
            AND g.left_position > :after AND g.left_position <= :upto
    ) AS shown
    ORDER BY shown.position LIMIT :limit
) AS page
CROSS JOIN event e ON e.position = page.position
CROSS JOIN conversation c ON c.id = e.conversation_id
LEFT JOIN message m ON m.id = e.message_id
"""
_LOG = f"""
SELECT json_group_array(json_array(:hide_others AND e.tenant <> :tenant, c.visibility = 'joined', {EVENT}, {MESSAGE}))
FROM (SELECT position FROM event WHERE position > :after AND position <= :upto ORDER BY position LIMIT :limit) AS page
CROSS JOIN event e ON e.position = page.position
CROSS JOIN conversation c ON c.id = e.conversation_id
LEFT JOIN message m ON m.id = e.message_id
"""
# For each user: where he last left a conversation that he is not in now, and the intervals of those he is in.
_MEMBERSHIPS = """
SELECT json_array(
    json((SELECT json_array(position, tag) FROM event ORDER BY position DESC LIMIT 1)),
    json((SELECT json_group_array(json_array(
        (SELECT max(g.left_position) FROM participant g INDEXED BY participant_gone
         WHERE g.tenant = u.value ->> 0 AND g.user_id = u.value ->> 1 AND g.left_at IS NOT NULL),
        json((SELECT json_group_array(json_array(
            p.conversation_id, i.first_seq, i.last_seq, coalesce(i.last_position, i.first_position)))
         FROM participant p INDEXED BY participant_of_user
         CROSS JOIN membership i
            ON i.tenant = p.tenant AND i.user_id = p.user_id AND i.conversation_id = p.conversation_id
         WHERE p.tenant = u.value ->> 0 AND p.user_id = u.value ->> 1 AND p.left_at IS NULL))))
     FROM json_each(:users) AS u)))
"""
_TAG = "SELECT tag FROM event WHERE position = ?"
_CURSOR = "SELECT position, tag FROM event WHERE position = ?"
_END = 2**63 - 1


def check_cursor(connection: apsw.Connection, cursor: Cursor) -> CursorState:
    """Compare a client's cursor with the log."""
    floor = cursor_of(read_floor_row(connection))
    return compare_cursor(cursor, floor=floor, tag=connection.execute(_TAG, (cursor.position,)).get)


def read_memberships(connection: apsw.Connection, users: Sequence[tuple[TenantId, UserId]]) -> Sequence[Memberships]:
    """Read in one statement what each user is in and where the log ends."""
    head, found = fetch_json(connection, _MEMBERSHIPS, {"users": encode(users)})
    end = read_head(connection) if head is None else cursor_of(head)
    return [memberships_of(end, left_at, rows) for left_at, rows in found]


def read_stream(
    connection: apsw.Connection, tenant: TenantId, user: UserId, *, after: Position, upto: Position, limit: int
) -> StreamPage:
    """Read what the user's stream shows in the window."""
    names = {"tenant": tenant, "user": user, "after": after, "upto": upto, "limit": limit}
    return _page_of(connection, fetch_json(connection, _STREAM, names), upto, limit)


def read_tenant_stream(
    connection: apsw.Connection, tenant: TenantId, *, after: Position, upto: Position, limit: int
) -> StreamPage:
    """Read all events of the tenant in the window."""
    names = {"tenant": tenant, "hide_others": 1, "after": after, "upto": upto, "limit": limit}
    return _page_of(connection, fetch_json(connection, _LOG, names), upto, limit)


def read_log(connection: apsw.Connection, *, after: Position, limit: int) -> Sequence[Event]:
    """Read the whole log from a position on."""
    names = {"tenant": "", "hide_others": 0, "after": after, "upto": _END, "limit": limit}
    return events_of(fetch_json(connection, _LOG, names))


def follow(connection: apsw.Connection, after: Cursor, *, limit: int) -> Sequence[Event] | None:
    """Read the log behind a cursor, if the log holds it; the caller holds a snapshot."""
    if check_cursor(connection, after) != "ok":
        return None
    return read_log(connection, after=after.position, limit=limit)


def read_newest(connection: apsw.Connection, limit: int) -> Sequence[Event]:
    """Read the newest events."""
    return read_log(connection, after=Position(max(0, read_head(connection).position - limit)), limit=limit)


def _page_of(connection: apsw.Connection, rows: Sequence[Row], upto: Position, limit: int) -> StreamPage:
    end = fetch_row(connection, _CURSOR, (upto,)) or read_floor_row(connection)
    return page_of(rows, end=cursor_of(end), upto=upto, limit=limit)
