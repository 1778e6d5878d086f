"""Reading messages, as far back as the reader may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sql.rows import MESSAGE, MESSAGE_WIDTH, message_of, participation_of
from sanctum_messaging.adapters.sqlite.database import fetch_json, fetch_row
from sanctum_messaging.adapters.sqlite.participants import PARTICIPATION, PRESENT
from sanctum_messaging.ports.store import VisibleMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from sanctum_messaging.domain.model import ConversationId, Message, MessageId, TenantId, UserId
    from sanctum_messaging.ports.store import MessageBounds

_VISIBLE = """(c.visibility = 'all' OR EXISTS (
    SELECT 1 FROM membership i
    WHERE i.tenant = c.tenant AND i.user_id = :user AND i.conversation_id = c.id
    AND m.seq BETWEEN i.first_seq AND coalesce(i.last_seq, m.seq)))
"""
_FIND = f"""
SELECT {MESSAGE}, {PARTICIPATION} {PRESENT}
JOIN message m ON m.conversation_id = c.id
WHERE m.id = :id AND c.tenant = :tenant AND c.deleted_at IS NULL AND {_VISIBLE}
"""
# The least seq that a reader of joined history may see at all: the scan never goes below it.
_BEGINNING = """
SELECT CASE c.visibility WHEN 'all' THEN 0 ELSE (
    SELECT min(i.first_seq) FROM membership i
    WHERE i.tenant = c.tenant AND i.user_id = :user AND i.conversation_id = c.id) END, 0
FROM conversation c
JOIN participant p ON p.conversation_id = c.id AND p.user_id = :user AND p.left_at IS NULL
WHERE c.id = :id AND c.tenant = :tenant AND c.deleted_at IS NULL
"""
_PAGE = """
SELECT json_group_array(json_array({columns})) FROM (
    SELECT m.* FROM message m JOIN conversation c ON c.id = m.conversation_id
    WHERE m.conversation_id = :id AND m.seq > :after AND m.seq < :before AND {visible}
    ORDER BY m.seq {direction} LIMIT :limit
) AS m
"""
_OLDER = _PAGE.format(columns=MESSAGE, visible=_VISIBLE, direction="DESC")
_NEWER = _PAGE.format(columns=MESSAGE, visible=_VISIBLE, direction="ASC")
_NO_BOUND = 2**53


def find_message(
    connection: apsw.Connection, tenant: TenantId, user: UserId, message_id: MessageId
) -> VisibleMessage | None:
    """Find a message that the user may read now."""
    row = fetch_row(connection, _FIND, {"tenant": tenant, "user": user, "id": message_id})
    return None if row is None else VisibleMessage(message_of(row), participation_of(row[MESSAGE_WIDTH:]))


def list_messages(
    connection: apsw.Connection,
    tenant: TenantId,
    user: UserId,
    conversation_id: ConversationId,
    *,
    bounds: MessageBounds,
    limit: int,
) -> tuple[Sequence[Message], bool] | None:
    """List a page of visible messages, ascending; none for an outsider."""
    names = {"tenant": tenant, "user": user, "id": conversation_id}
    row = fetch_row(connection, _BEGINNING, names)
    if row is None:
        return None
    page = _Page(connection, {"user": user, "id": conversation_id}, beginning=row[0] - 1)
    if bounds.around is not None:
        older, more_older = page.older(bounds.around + 1, (limit + 1) // 2)
        newer, more_newer = page.newer(bounds.around, limit // 2)
        return [*older, *newer], more_older or more_newer
    if bounds.after is not None:
        return page.newer(bounds.after, limit)
    return page.older(bounds.before, limit)


class _Page:
    """The two directions of reading a conversation; one message more than asked for tells whether there are more."""

    def __init__(self, connection: apsw.Connection, names: dict[str, str], *, beginning: int) -> None:
        self._connection = connection
        self._names = names
        self._beginning = beginning

    def older(self, before: int | None, limit: int) -> tuple[list[Message], bool]:
        """Read the newest below a seq."""
        rows = self._read(_OLDER, after=self._beginning, before=_NO_BOUND if before is None else before, limit=limit)
        return rows[:limit][::-1], len(rows) > limit

    def newer(self, after: int, limit: int) -> tuple[list[Message], bool]:
        """Read the oldest above a seq."""
        rows = self._read(_NEWER, after=max(after, self._beginning), before=_NO_BOUND, limit=limit)
        return rows[:limit], len(rows) > limit

    def _read(self, statement: str, *, after: int, before: int, limit: int) -> list[Message]:
        names = {**self._names, "after": after, "before": before, "limit": limit + 1}
        return [message_of(row) for row in fetch_json(self._connection, statement, names)]
