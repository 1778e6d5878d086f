"""Reading participants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sql.rows import CONVERSATION, PARTICIPANT, participant_of, participation_of
from sanctum_messaging.ports.participant_cache import ParticipantSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sanctum_messaging.adapters.postgres.database import Database
    from sanctum_messaging.domain.model import ConversationId, Participant, Participation, TenantId, UserId

PARTICIPATION = f"{CONVERSATION}, {PARTICIPANT}, c.members_version, q.present, q.owners"
# Beside the conversation c, the open place p of the user $2 in it, and how many have one.
PRESENT = """
CROSS JOIN LATERAL (
    SELECT p.* FROM participant p
    WHERE p.conversation_id = c.id AND p.user_id = $2 AND p.left_at IS NULL LIMIT 1) AS p
CROSS JOIN LATERAL (
    SELECT count(*) AS present, count(*) FILTER (WHERE q.role = 'owner') AS owners FROM participant q
    WHERE q.conversation_id = c.id AND q.left_at IS NULL) AS q
"""
_FIND = f"""
SELECT {PARTICIPATION}
FROM (SELECT c.* FROM conversation c WHERE c.id = $3 AND c.tenant = $1 AND c.deleted_at IS NULL LIMIT 1) AS c
{PRESENT}
"""
_FIND_ROWS = f"""
SELECT {PARTICIPANT}
FROM unnest($2::text[]) AS wanted(user_id)
CROSS JOIN LATERAL (
    SELECT p.* FROM participant p WHERE p.conversation_id = $1 AND p.user_id = wanted.user_id LIMIT 1) AS p
"""
_SET = f"""
SELECT coalesce(c.members_version, 0), {PARTICIPANT}
FROM (SELECT 1) AS one
LEFT JOIN LATERAL (
    SELECT c.members_version FROM conversation c WHERE c.id = $1 AND c.deleted_at IS NULL LIMIT 1) AS c ON true
LEFT JOIN LATERAL (SELECT p.* FROM participant p WHERE p.conversation_id = $1 AND p.left_at IS NULL) AS p ON true
ORDER BY p.user_id
"""


async def find_participation(
    database: Database, tenant: TenantId, user: UserId, conversation_id: ConversationId
) -> Participation | None:
    """Find the conversation with the user's open place in it."""
    row = await database.read_row(_FIND, tenant, user, conversation_id)
    return None if row is None else participation_of(row)


async def find_participants(
    database: Database, conversation_id: ConversationId, users: Sequence[UserId]
) -> Mapping[UserId, Participant]:
    """Find these users' rows, present or gone."""
    rows = await database.read(_FIND_ROWS, conversation_id, list(users))
    return {each.user_id: each for each in map(participant_of, rows)}


async def read_participants(database: Database, conversation_id: ConversationId) -> ParticipantSet:
    """Read all who are present, with the version of that set."""
    rows = await database.read(_SET, conversation_id)
    return ParticipantSet(rows[0][0], tuple(participant_of(row[1:]) for row in rows if row[1] is not None))
