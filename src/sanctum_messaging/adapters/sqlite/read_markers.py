"""Moving read markers, set-wise and without the log, and a read of what is unread after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sql.read_markers import moved_marker
from sanctum_messaging.adapters.sqlite.conversations import UNREAD
from sanctum_messaging.adapters.sqlite.database import encode, fetch_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from sanctum_messaging.domain.errors import SanctumError
    from sanctum_messaging.domain.model import ConversationId, ReadMarker, TenantId, UserId
    from sanctum_messaging.ports.store import MoveMarker

_WANTED = """
(SELECT key AS number, value ->> 0 AS tenant, value ->> 1 AS user_id, value ->> 2 AS conversation_id, value ->> 3 AS seq
 FROM json_each(:moves)) AS w
"""
_PLACE = """
participant p ON p.conversation_id = w.conversation_id AND p.user_id = w.user_id AND p.tenant = w.tenant
    AND p.left_at IS NULL
"""
_LAST_SEQ = "(SELECT max(e.seq) FROM event e WHERE e.conversation_id = w.conversation_id)"
_MOVE = f"""
UPDATE participant SET read_seq = new.seq
FROM (SELECT w.user_id, w.conversation_id, max(w.seq) AS seq FROM {_WANTED} JOIN {_PLACE}
      WHERE w.seq <= {_LAST_SEQ} GROUP BY w.user_id, w.conversation_id) AS new
WHERE participant.conversation_id = new.conversation_id AND participant.user_id = new.user_id
    AND participant.read_seq < new.seq
"""
_VERDICTS = f"""
SELECT json_group_array(json_array(p.user_id IS NOT NULL, w.seq <= {_LAST_SEQ}))
FROM {_WANTED} LEFT JOIN {_PLACE}
"""
_STANDING = f"""
SELECT json_group_array(json_array(p.read_seq, CASE WHEN p.user_id IS NULL THEN 0 ELSE {UNREAD} END))
FROM {_WANTED} LEFT JOIN {_PLACE}
"""


def move_read_markers(connection: apsw.Connection, moves: Sequence[MoveMarker]) -> Sequence[tuple[bool, bool]]:
    """Move what may be moved; for each, whether its user is in the conversation, and whether the seq is in range."""
    rows = encode([(*_place_of(each), each.seq) for each in moves])
    connection.execute(_MOVE, {"moves": rows})
    return [(bool(present), bool(in_range)) for present, in_range in fetch_json(connection, _VERDICTS, {"moves": rows})]


def read_moved_markers(
    connection: apsw.Connection, moves: Sequence[MoveMarker], verdicts: Sequence[tuple[bool, bool]]
) -> Sequence[ReadMarker | SanctumError]:
    """Tell for each where its marker stands and what is unread after it, or why it may not move.

    Both are read together, after the commit: the marker stands where it was moved to or above, and who was removed
    since is not found. However often a marker was moved, what is after it is counted once.
    """
    places = list(dict.fromkeys(map(_place_of, moves)))
    standing = dict(zip(places, fetch_json(connection, _STANDING, {"moves": encode(places)}), strict=True))
    results: list[ReadMarker | SanctumError] = []
    for move, (present, in_range) in zip(moves, verdicts, strict=True):
        read_seq, unread = standing[_place_of(move)]
        results.append(moved_marker(read_seq if present else None, in_range, unread))
    return results


def _place_of(move: MoveMarker) -> tuple[TenantId, UserId, ConversationId]:
    return move.tenant, move.user_id, move.conversation_id
