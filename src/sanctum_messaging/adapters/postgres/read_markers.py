"""Moving read markers: one call of the function ``move_read_markers``, and a read of what is unread after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.postgres.conversations import UNREAD
from sanctum_messaging.adapters.sql.read_markers import moved_marker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.adapters.postgres.database import Database
    from sanctum_messaging.domain.errors import SanctumError
    from sanctum_messaging.domain.model import ReadMarker
    from sanctum_messaging.ports.store import MoveMarker

_MOVE = "SELECT * FROM move_read_markers($1, $2, $3, $4)"
_UNREAD = f"""
SELECT p.read_seq, CASE WHEN p.read_seq IS NULL THEN 0 ELSE {UNREAD} END AS unread
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS w (tenant, user_id, conversation_id, n)
LEFT JOIN LATERAL (
    SELECT p.* FROM participant p
    WHERE p.conversation_id = w.conversation_id AND p.user_id = w.user_id AND p.tenant = w.tenant
        AND p.left_at IS NULL
    LIMIT 1) AS p ON true
ORDER BY w.n
"""


async def move_read_markers(database: Database, moves: Sequence[MoveMarker]) -> Sequence[ReadMarker | SanctumError]:
    """Move what may be moved, and tell for each where its marker stands or why it may not."""
    places = [each.tenant for each in moves], [each.user_id for each in moves], [each.conversation_id for each in moves]
    moved = await database.write(_MOVE, *places, [each.seq for each in moves], repeatable=True)
    unread = await database.read(_UNREAD, *places)
    return [
        moved_marker(row["read_seq"] if move["present"] else None, move["in_range"], row["unread"])
        for move, row in zip(moved, unread, strict=True)
    ]
