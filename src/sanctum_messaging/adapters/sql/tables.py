"""What an installation consists of: the tables that both databases have, with the columns that both know.

A row on its way from one database to the other is a tuple of these columns, with 0 and 1 for false and true. A key
orders the rows in the same way in both, since both compare text by code point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = str | int | None
Row: TypeAlias = tuple[Value, ...]
Key: TypeAlias = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One table; ``key`` are its primary key's columns, and ``switches`` those that PostgreSQL keeps as booleans."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    switches: tuple[str, ...] = ()

    def key_of(self, row: Row) -> Key:
        """Take the key out of a row."""
        return tuple(row[self.columns.index(name)] for name in self.key)


def _table(name: str, columns: str, *, key: str, switches: str = "") -> Table:
    return Table(name, tuple(columns.split()), tuple(key.split()), tuple(switches.split()))


# In the order in which they are copied. The table installation is not among them: each database has a row of its own
# there, of which the log's name alone moves.
TABLES = (
    _table("log_floor", "one position tag", key="one"),
    _table(
        "conversation",
        "id tenant kind title metadata visibility created_by created_at version members_version base_seq direct_key"
        " deleted_at",
        key="id",
    ),
    _table(
        "participant",
        "tenant user_id conversation_id role joined_at left_at left_position version read_seq muted hidden pinned",
        key="conversation_id user_id",
        switches="muted hidden pinned",
    ),
    _table(
        "membership",
        "tenant user_id conversation_id first_position first_seq last_position last_seq",
        key="tenant user_id conversation_id first_position",
    ),
    _table(
        "message",
        "id conversation_id seq sender_id device_id client_message_id type body metadata reply_to created_at edited_at"
        " deleted_at version content_hash",
        key="id",
    ),
    _table(
        "event",
        "position tag tenant conversation_id seq kind actor_id at message_id audience facts",
        key="position",
    ),
    _table("idempotency", "tenant user_id key fingerprint answer created_at", key="tenant user_id key"),
    _table(
        "resume_state",
        "id tenant user_id device_id session_id cursor generation secret_hash previous_hash previous_until expires_at",
        key="id",
    ),
    _table("revocation", "id tenant kind value not_before created_at", key="id"),
    _table("audit", "at id tenant bearer act_as token_id session address action request_id", key="at id"),
)
