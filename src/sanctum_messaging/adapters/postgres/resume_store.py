"""Resume states in a table, so that a session outlives the process that served it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.postgres.forgetting import forget_rows
from sanctum_messaging.adapters.sql.resume_token import GRACE_MS, ResumeToken, stored_cursor
from sanctum_messaging.ports.resume_store import ResumeState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.adapters.postgres.database import Database
    from sanctum_messaging.domain.model import Actor, Millis
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.resume_store import DropReason

# The row is locked while it is compared and raised, so that of two simultaneous loads each gets a generation. What is
# compared are hashes of random secrets: how long that takes tells nothing.
_TAKE_OVER = """
UPDATE resume_state SET generation = generation + 1, secret_hash = $7, session_id = $8, previous_hash = $6,
    previous_until = CASE WHEN secret_hash = $6 THEN $5::bigint + $9::bigint ELSE previous_until END
WHERE id = $1 AND tenant = $2 AND user_id = $3 AND device_id = $4 AND expires_at > $5::bigint
    AND (secret_hash = $6 OR (previous_hash = $6 AND previous_until > $5::bigint))
RETURNING cursor, generation
"""
_PERSIST = """
INSERT INTO resume_state (id, tenant, user_id, device_id, session_id, cursor, generation, secret_hash, expires_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[],
    $9::bigint[]) AS s (id, tenant, user_id, device_id, session_id, cursor, generation, secret_hash, expires_at)
ORDER BY s.id COLLATE "C"
ON CONFLICT (id) DO UPDATE SET cursor = excluded.cursor, generation = excluded.generation,
    session_id = excluded.session_id, secret_hash = excluded.secret_hash, expires_at = excluded.expires_at
WHERE excluded.generation >= resume_state.generation
RETURNING id, generation
"""
_DROP = "DELETE FROM resume_state WHERE id = $1 AND generation <= $2"
_FORGET = """
DELETE FROM resume_state WHERE ctid = ANY (ARRAY(SELECT ctid FROM resume_state WHERE expires_at <= $1 LIMIT $2))
RETURNING 1
"""


class PostgresResumeStore:
    """``ports.resume_store.ResumeStore`` on the table ``resume_state``; each call is one statement.

    All of them may be repeated after a lost connection. A load that was committed nevertheless has made its token the
    one before, which is still good for the repeat.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        """Use the database that everything else is in."""
        self._database = database
        self._clock = clock

    async def load(self, resume_token: str, actor: Actor) -> tuple[ResumeState, str] | None:
        """Take the session over; see the port."""
        presented = ResumeToken.find(resume_token)
        if presented is None:
            return None
        secret_hash, successor = presented.secret_hash, presented.successor(0)
        owner = (actor.tenant, actor.user, actor.device)
        secrets = (secret_hash, successor.secret_hash, actor.session, GRACE_MS)
        rows = await self._database.write(
            _TAKE_OVER, presented.id, *owner, self._clock.now(), *secrets, repeatable=True
        )
        if not rows:
            return None
        cursor, generation = stored_cursor(rows[0]["cursor"]), rows[0]["generation"]
        return ResumeState(*owner, actor.session, cursor, generation), str(replace(successor, generation=generation))

    async def persist(self, resume_token: str, state: ResumeState, ttl_seconds: int) -> bool:
        """Store one state; see the port."""
        return (await self.persist_many([(resume_token, state, ttl_seconds)]))[0]

    async def persist_many(self, states: Sequence[tuple[str, ResumeState, int]]) -> Sequence[bool]:
        """Store a run of states in one commit; false for each that was superseded, in the table or in the run."""
        if not states:
            return []
        now = self._clock.now()
        rows = [_row(ResumeToken.parse(token), state, now + ttl * 1000) for token, state, ttl in states]
        # A row can be written once in a statement: of one session's states the newest is, and the last of those.
        newest = {row[0]: row for row in sorted(rows, key=lambda row: row[6])}
        stored = await self._database.write(_PERSIST, *map(list, zip(*newest.values(), strict=True)), repeatable=True)
        written = {(row["id"], row["generation"]) for row in stored}
        return [(row[0], row[6]) in written for row in rows]

    async def drop(self, resume_token: str, reason: DropReason) -> None:
        """Forget the session; see the port."""
        del reason
        token = ResumeToken.find(resume_token)
        if token is not None:
            await self._database.write(_DROP, token.id, token.generation, repeatable=True)


async def forget_states(database: Database, now: Millis) -> int:
    """Delete the states past their time."""
    return await forget_rows(database, _FORGET, now)


def _row(token: ResumeToken, state: ResumeState, expires_at: int) -> tuple[str, str, str, str, str, str, int, str, int]:
    owner = (state.tenant, state.user, state.device, state.session)
    return (token.id, *owner, str(state.cursor), state.generation, token.secret_hash, expires_at)
