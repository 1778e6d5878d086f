"""Reading the log: a user's stream, a tenant's, and the whole.

Every read is one statement, since each has a snapshot of its own. What is looked up per row stands in a LATERAL
subquery with a LIMIT: the planner can neither turn it around nor read it as a whole, so that a plan which was made for
an empty log serves a long one. Where a conversation is looked for as one of an array, an order by conversation and
position is event_by_position's alone; with an equality the conversation would drop out of the order, and a plan could
walk the whole log in search of it.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.postgres.head import HEAD
from sanctum_messaging.adapters.sql.rows import EVENT, MESSAGE
from sanctum_messaging.adapters.sql.stream import compare_cursor, cursor_of, events_of, memberships_of, page_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from sanctum_messaging.adapters.postgres.database import Database
    from sanctum_messaging.domain.events import Event, Memberships
    from sanctum_messaging.domain.model import Cursor, Position, TenantId, UserId
    from sanctum_messaging.ports.log import CursorState, StreamPage

# What stands beside an event: whether its conversation's history is of those who joined, and its message as it is now.
_BESIDE = f"""
CROSS JOIN LATERAL (
    SELECT c.visibility = 'joined' AS joined FROM conversation c WHERE c.id = e.conversation_id LIMIT 1) AS c
LEFT JOIN LATERAL (SELECT {MESSAGE} FROM message m WHERE m.id = e.message_id LIMIT 1) AS m ON true
"""
_ROW = f"c.joined, {EVENT}, {MESSAGE}"
# The cursor at $2, where a page's window ends; the floor's if no event stands there.
_END = """
log_floor f
LEFT JOIN LATERAL (SELECT w.position, w.tag FROM event w WHERE w.position = $2 LIMIT 1) AS w ON true
"""
_END_CURSOR = "coalesce(w.position, f.position), coalesce(w.tag, f.tag)"
# The positions in ($1, $2] that the user $5 of the tenant $4 is shown, $3 at most of each conversation and in all.
_SHOWN = """
SELECT shown.position FROM (
    SELECT e.position
    FROM participant p
    CROSS JOIN LATERAL (
        SELECT i.first_position, i.last_position FROM membership i
        WHERE i.tenant = $4 AND i.user_id = $5 AND i.conversation_id = p.conversation_id
            AND i.first_position <= $2 AND coalesce(i.last_position, $2) > $1
        OFFSET 0) AS i
    CROSS JOIN LATERAL (
        SELECT e.position FROM event e
        WHERE e.conversation_id = ANY (ARRAY[p.conversation_id])
            AND e.position > greatest($1, i.first_position - 1) AND e.position <= least($2, i.last_position)
        ORDER BY e.conversation_id, e.position LIMIT $3) AS e
    WHERE p.tenant = $4 AND p.user_id = $5 AND p.left_at IS NULL
    UNION ALL
    (SELECT g.left_position FROM participant g
     WHERE g.tenant = $4 AND g.user_id = $5 AND g.left_at IS NOT NULL AND g.left_position > $1 AND g.left_position <= $2
     ORDER BY g.left_position LIMIT $3)
) AS shown
ORDER BY shown.position LIMIT $3
"""
_HIDDEN = """
coalesce(e.audience, $5) <> $5
    OR c.joined AND e.kind IN ('message.updated', 'message.deleted') AND NOT EXISTS (
        SELECT 1 FROM membership j
        WHERE j.tenant = $4 AND j.user_id = $5 AND j.conversation_id = e.conversation_id
            AND m.seq BETWEEN j.first_seq AND coalesce(j.last_seq, m.seq))
"""
_STREAM = f"""
SELECT {_END_CURSOR}, page.*
FROM {_END}
LEFT JOIN LATERAL (
    SELECT {_HIDDEN} AS hidden, {_ROW}
    FROM ({_SHOWN}) AS shown
    CROSS JOIN LATERAL (SELECT e.* FROM event e WHERE e.position = shown.position LIMIT 1) AS e
    {_BESIDE}
) AS page ON true
WHERE f.one = 1
ORDER BY page.position
"""
_TENANT_STREAM = f"""
SELECT {_END_CURSOR}, page.*
FROM {_END}
LEFT JOIN LATERAL (
    SELECT e.tenant <> $4 AS hidden, {_ROW}
    FROM (SELECT e.* FROM event e WHERE e.position > $1 AND e.position <= $2 ORDER BY e.position LIMIT $3) AS e
    {_BESIDE}
) AS page ON true
WHERE f.one = 1
ORDER BY page.position
"""
_LOG = f"""
SELECT false, {_ROW}
FROM (SELECT e.* FROM event e WHERE e.position > $1 ORDER BY e.position LIMIT $2) AS e
{_BESIDE}
ORDER BY e.position
"""
_NEWEST = f"""
SELECT false, {_ROW}
FROM (SELECT e.* FROM event e ORDER BY e.position DESC LIMIT $1) AS e
{_BESIDE}
ORDER BY e.position
"""
_CHECK = "SELECT f.position, f.tag, (SELECT e.tag FROM event e WHERE e.position = $1) FROM log_floor f WHERE f.one = 1"
_FOLLOW = f"""
SELECT f.position, f.tag, (SELECT e.tag FROM event e WHERE e.position = $1), page.*
FROM log_floor f
LEFT JOIN LATERAL (
    SELECT false AS hidden, {_ROW}
    FROM (SELECT e.* FROM event e WHERE e.position > $1 ORDER BY e.position LIMIT $2) AS e
    {_BESIDE}
) AS page ON true
WHERE f.one = 1
ORDER BY page.position
"""
# For each user: where he last left a conversation that he is not in now, and the intervals of those he is in.
_MEMBERSHIPS = f"""
SELECT u.n, head.position, head.tag, gone.left_position, i.*
FROM {HEAD} AS head
CROSS JOIN unnest($1::text[], $2::text[]) WITH ORDINALITY AS u (tenant, user_id, n)
LEFT JOIN LATERAL (
    SELECT g.left_position FROM participant g
    WHERE g.tenant = u.tenant AND g.user_id = u.user_id AND g.left_at IS NOT NULL
    ORDER BY g.left_position DESC LIMIT 1
) AS gone ON true
LEFT JOIN LATERAL (
    SELECT p.conversation_id, i.first_seq, i.last_seq, coalesce(i.last_position, i.first_position)
    FROM participant p
    CROSS JOIN LATERAL (
        SELECT i.* FROM membership i
        WHERE i.tenant = u.tenant AND i.user_id = u.user_id AND i.conversation_id = p.conversation_id
        OFFSET 0) AS i
    WHERE p.tenant = u.tenant AND p.user_id = u.user_id AND p.left_at IS NULL
    OFFSET 0
) AS i ON true
ORDER BY u.n, i.conversation_id, i.first_seq
"""


async def check_cursor(database: Database, cursor: Cursor) -> CursorState:
    """Compare a client's cursor with the log."""
    return _state_of(cursor, (await database.read(_CHECK, cursor.position))[0])


async def read_memberships(database: Database, users: Sequence[tuple[TenantId, UserId]]) -> Sequence[Memberships]:
    """Read in one statement what each user is in and where the log ends."""
    rows = await database.read(_MEMBERSHIPS, [tenant for tenant, _ in users], [user for _, user in users])
    return [_memberships_of(list(each)) for _, each in groupby(rows, itemgetter(0))]


async def read_stream(
    database: Database, tenant: TenantId, user: UserId, *, after: Position, upto: Position, limit: int
) -> StreamPage:
    """Read what the user's stream shows in the window."""
    rows = await database.read(_STREAM, after, upto, limit, tenant, user)
    return page_of(_beside_end(rows), end=cursor_of(rows[0]), upto=upto, limit=limit)


async def read_tenant_stream(
    database: Database, tenant: TenantId, *, after: Position, upto: Position, limit: int
) -> StreamPage:
    """Read all events of the tenant in the window."""
    rows = await database.read(_TENANT_STREAM, after, upto, limit, tenant)
    return page_of(_beside_end(rows), end=cursor_of(rows[0]), upto=upto, limit=limit)


async def read_log(database: Database, *, after: Position, limit: int) -> Sequence[Event]:
    """Read the whole log from a position on."""
    return events_of(await database.read(_LOG, after, limit))


async def follow(database: Database, after: Cursor, *, limit: int) -> Sequence[Event] | None:
    """Read the log behind a cursor, if the log holds it; both are one statement's."""
    rows = await database.follow(_FOLLOW, after.position, limit)
    if _state_of(after, rows[0]) != "ok":
        return None
    return events_of(row[3:] for row in rows if row[3] is not None)


async def read_newest(database: Database, limit: int) -> Sequence[Event]:
    """Read the newest events."""
    return events_of(await database.read(_NEWEST, limit))


def _memberships_of(rows: Sequence[asyncpg.Record]) -> Memberships:
    """Read the rows of one user; if he is in nothing, it is one without a conversation."""
    intervals = (row[4:] for row in rows if row[4] is not None)
    return memberships_of(cursor_of(rows[0][1:]), rows[0][3], intervals)


def _state_of(cursor: Cursor, row: asyncpg.Record) -> CursorState:
    return compare_cursor(cursor, floor=cursor_of(row), tag=row[2])


def _beside_end(rows: Sequence[asyncpg.Record]) -> list[tuple[object, ...]]:
    """Take the page out of rows that begin with the window's end; a page without events is one row without an event."""
    return [row[2:] for row in rows if row[2] is not None]
