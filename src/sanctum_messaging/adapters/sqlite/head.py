"""The log's end and its numbering, as every append and many reads need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sqlite.database import fetch_row
from sanctum_messaging.domain.model import Cursor, Position, Seq

if TYPE_CHECKING:
    import apsw

    from sanctum_messaging.domain.model import ConversationId

HEAD = "SELECT position, tag FROM event ORDER BY position DESC LIMIT 1"
_FLOOR = "SELECT position, tag FROM log_floor"


def read_head(connection: apsw.Connection) -> Cursor:
    """Return the newest event's cursor; with an empty log, the floor's."""
    row = fetch_row(connection, HEAD) or read_floor_row(connection)
    return Cursor(Position(row[0]), row[1])


def read_floor_row(connection: apsw.Connection) -> tuple[int, str]:
    """Return the position and tag that the log begins after."""
    row = fetch_row(connection, _FLOOR)
    if row is None:
        message = "the table log_floor has lost its row"
        raise RuntimeError(message)
    return row[0], row[1]


@dataclass(slots=True)
class Numbering:
    """Hands out the next positions, seqs and tags during one append; the caller holds the log lock."""

    head: Cursor
    seqs: dict[ConversationId, int]
    tags: list[str]
    """One for each event that may be appended."""

    def next(self, conversation_id: ConversationId) -> tuple[Cursor, Seq]:
        """Number the next event of a conversation."""
        self.head = Cursor(Position(self.head.position + 1), self.tags.pop())
        seq = self.seqs.get(conversation_id, 0) + 1
        self.seqs[conversation_id] = seq
        return self.head, Seq(seq)
