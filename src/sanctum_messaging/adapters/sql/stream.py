"""Between rows of the log and what its readers get: pages, memberships, and how a cursor compares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sql.rows import event_of
from sanctum_messaging.domain.events import Event, Interval, Memberships
from sanctum_messaging.domain.model import ConversationId, Cursor, Position, Seq
from sanctum_messaging.ports.log import StreamPage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sanctum_messaging.adapters.sql.rows import Row
    from sanctum_messaging.ports.log import CursorState


def cursor_of(row: Row) -> Cursor:
    """Read a position and its tag."""
    return Cursor(Position(row[0]), row[1])


def compare_cursor(cursor: Cursor, *, floor: Cursor, tag: str | None) -> CursorState:
    """Compare a client's cursor with the log's floor, and with the tag that the log has at that position if it does."""
    if cursor.position < floor.position:
        return "too_old"
    found = floor.tag if cursor.position == floor.position else tag
    return "ok" if found == cursor.tag else "diverged"


def memberships_of(head: Cursor, left_at: int | None, rows: Iterable[Row]) -> Memberships:
    """Read rows of a conversation, the first and last seq of an interval, and the position where it began or ended.

    The intervals of each conversation come in their order. ``left_at`` is where the user last left one for good.
    """
    conversations: dict[ConversationId, tuple[Interval, ...]] = {}
    changed_at = left_at or 0
    for row in rows:
        conversation_id, first, last = row[0], row[1], row[2]
        interval = Interval(Seq(first), None if last is None else Seq(last))
        conversations[conversation_id] = (*conversations.get(conversation_id, ()), interval)
        changed_at = max(changed_at, row[3])
    return Memberships(head, conversations, Position(changed_at))


def page_of(rows: Sequence[Row], *, end: Cursor, upto: Position, limit: int) -> StreamPage:
    """Read a page of :func:`events_of`; ``end`` is the cursor at ``upto``, where the page ends unless it is full."""
    if len(rows) < limit:
        return StreamPage(events_of(rows), end, complete=True)
    last = cursor_of(rows[-1][2:])
    return StreamPage(events_of(rows), last, complete=last.position == upto)


def events_of(rows: Iterable[Row]) -> tuple[Event, ...]:
    """Read rows of: hidden, of joined history, and the columns of ``event_of``; leave out what is hidden or gone."""
    events = (event_of(row[2:], joined_only=bool(row[1])) for row in rows if not row[0])
    return tuple(event for event in events if event is not None)
