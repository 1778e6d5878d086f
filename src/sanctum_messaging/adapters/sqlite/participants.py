"""Reading participants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.adapters.sql.rows import (
    CONVERSATION,
    PARTICIPANT,
    participant_of,
    participation_of,
)
from sanctum_messaging.adapters.sqlite.database import encode, fetch_json, fetch_row
from sanctum_messaging.ports.participant_cache import ParticipantSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import apsw

    from sanctum_messaging.domain.model import ConversationId, Participant, Participation, TenantId, UserId

PARTICIPATION = f"""
    {CONVERSATION}, {PARTICIPANT}, c.members_version,
    (SELECT count(*) FROM participant q INDEXED BY participant_present
     WHERE q.conversation_id = c.id AND q.left_at IS NULL),
    (SELECT count(*) FROM participant q INDEXED BY participant_present
     WHERE q.conversation_id = c.id AND q.left_at IS NULL AND q.role = 'owner')
"""
PRESENT = """
FROM conversation c
JOIN participant p ON p.conversation_id = c.id AND p.user_id = :user AND p.left_at IS NULL
"""
_FIND = f"""
SELECT {PARTICIPATION} {PRESENT} WHERE c.id = :id AND c.tenant = :tenant AND c.deleted_at IS NULL
"""
_FIND_ROWS = f"""
SELECT json_group_array(json_array({PARTICIPANT}))
FROM json_each(:users) AS wanted
JOIN participant p ON p.conversation_id = :id AND p.user_id = wanted.value
"""
_SET = f"""
SELECT coalesce((SELECT members_version FROM conversation WHERE id = :id AND deleted_at IS NULL), 0),
    (SELECT json_group_array(json_array({PARTICIPANT}))
     FROM (SELECT * FROM participant WHERE conversation_id = :id AND left_at IS NULL ORDER BY user_id) AS p)
"""


def find_participation(
    connection: apsw.Connection, tenant: TenantId, user: UserId, conversation_id: ConversationId
) -> Participation | None:
    """Find the conversation with the user's open place in it."""
    row = fetch_row(connection, _FIND, {"tenant": tenant, "user": user, "id": conversation_id})
    return None if row is None else participation_of(row)


def find_participants(
    connection: apsw.Connection, conversation_id: ConversationId, users: Sequence[UserId]
) -> Mapping[UserId, Participant]:
    """Find these users' rows, present or gone."""
    rows = fetch_json(connection, _FIND_ROWS, {"id": conversation_id, "users": encode(list(users))})
    return {each.user_id: each for each in map(participant_of, rows)}


def read_participants(connection: apsw.Connection, conversation_id: ConversationId) -> ParticipantSet:
    """Read all who are present, with the version of that set."""
    row = fetch_row(connection, _SET, {"id": conversation_id})
    version, rows = (0, "[]") if row is None else row
    return ParticipantSet(version, tuple(participant_of(each) for each in msgspec.json.decode(rows)))
