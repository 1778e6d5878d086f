"""Moving read markers, set-wise and without the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sql.read_markers import moved_marker
from sanctum_messaging.adapters.sqlite.conversations import UNREAD
from sanctum_messaging.adapters.sqlite.database import encode, fetch_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from sanctum_messaging.domain.errors import SanctumError
    from sanctum_messaging.domain.model import ReadMarker
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
_RESULTS = f"""
SELECT json_group_array(json_array(p.read_seq, w.seq <= {_LAST_SEQ},
    CASE WHEN p.user_id IS NULL THEN 0 ELSE {UNREAD} END))
FROM {_WANTED} LEFT JOIN {_PLACE}
"""


def move_read_markers(connection: apsw.Connection, moves: Sequence[MoveMarker]) -> Sequence[ReadMarker | SanctumError]:
    """Move what may be moved, and tell for each where its marker stands or why it may not."""
    rows = encode([(each.tenant, each.user_id, each.conversation_id, each.seq) for each in moves])
    connection.execute(_MOVE, {"moves": rows})
    return [moved_marker(*row) for row in fetch_json(connection, _RESULTS, {"moves": rows})]
