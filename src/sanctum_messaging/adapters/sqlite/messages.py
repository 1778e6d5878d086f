"""Reading messages, as far back as the reader may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanctum_messaging.adapters.sql.rows import MESSAGE, MESSAGE_WIDTH, message_of, participation_of
from sanctum_messaging.adapters.sqlite.database import fetch_json, fetch_row
from sanctum_messaging.adapters.sqlite.participants import PARTICIPATION, PRESENT
from sanctum_messaging.ports.store import VisibleMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from sanctum_messaging.domain.model import ConversationId, Message, MessageId, TenantId, UserId
    from sanctum_messaging.ports.store import MessageBounds

_LAST_SEQ = 2**53 - 1
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
# The seqs that one who is present may see, as spans: all, or those of the memberships, which don't overlap.
_SPANS = f"""
SELECT coalesce((
    SELECT CASE c.visibility WHEN 'all' THEN json_array(json_array(0, {_LAST_SEQ})) ELSE (
        SELECT json_group_array(json_array(i.first_seq, coalesce(i.last_seq, {_LAST_SEQ}))) FROM membership i
        WHERE i.tenant = c.tenant AND i.user_id = :user AND i.conversation_id = c.id) END
    {PRESENT} WHERE c.id = :id AND c.tenant = :tenant AND c.deleted_at IS NULL), 'null')
"""
_PAGE = """
SELECT json_group_array(json_array({columns})) FROM (
    SELECT m.* FROM message m WHERE m.conversation_id = :id AND m.seq BETWEEN :first AND :last
    ORDER BY m.seq {direction} LIMIT :limit
) AS m
"""
_OLDER = _PAGE.format(columns=MESSAGE, direction="DESC")
_NEWER = _PAGE.format(columns=MESSAGE, direction="ASC")


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
    spans = fetch_json(connection, _SPANS, {"tenant": tenant, "user": user, "id": conversation_id})
    if spans is None:
        return None
    page = _Page(connection, conversation_id, sorted(spans))
    if bounds.around is not None:
        older, more_older = page.older(bounds.around + 1, (limit + 1) // 2)
        newer, more_newer = page.newer(bounds.around, limit // 2)
        return [*older, *newer], more_older or more_newer
    if bounds.after is not None:
        return page.newer(bounds.after, limit)
    return page.older(bounds.before, limit)


class _Page:
    """The two directions of reading a conversation; one message more than asked for tells whether there are more."""

    def __init__(self, connection: apsw.Connection, conversation_id: ConversationId, spans: list[list[int]]) -> None:
        self._connection = connection
        self._conversation_id = conversation_id
        self._spans = spans

    def older(self, before: int | None, limit: int) -> tuple[list[Message], bool]:
        """Read the newest below a seq."""
        end = _LAST_SEQ if before is None else before - 1
        rows = self._read(_OLDER, [(first, min(last, end)) for first, last in reversed(self._spans)], limit)
        return rows[:limit][::-1], len(rows) > limit

    def newer(self, after: int, limit: int) -> tuple[list[Message], bool]:
        """Read the oldest above a seq."""
        rows = self._read(_NEWER, [(max(first, after + 1), last) for first, last in self._spans], limit)
        return rows[:limit], len(rows) > limit

    def _read(self, statement: str, spans: list[tuple[int, int]], limit: int) -> list[Message]:
        """Read span by span until there are enough: what lies between two of them is never stepped over."""
        rows: list[list[Any]] = []
        for first, last in spans:
            if first <= last and len(rows) <= limit:
                names = {"id": self._conversation_id, "first": first, "last": last, "limit": limit + 1 - len(rows)}
                rows += fetch_json(self._connection, statement, names)
        return [message_of(row) for row in rows]
