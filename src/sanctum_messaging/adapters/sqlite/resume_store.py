"""Resume states in a table, so that a session outlives the process that served it."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sql.resume_token import GRACE_MS, NO_TOKEN, ResumeToken, stored_cursor
from sanctum_messaging.adapters.sqlite.database import fetch_row
from sanctum_messaging.ports.resume_store import ResumeState

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.domain.model import Actor, Millis
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.resume_store import DropReason

_FIND = """
SELECT tenant, user_id, device_id, session_id, cursor, generation, secret_hash, previous_hash, previous_until
FROM resume_state WHERE id = ? AND expires_at > ?
"""
_TAKE_OVER = """
UPDATE resume_state SET generation = :generation, secret_hash = :secret_hash, session_id = :session,
    previous_hash = :previous_hash, previous_until = :previous_until
WHERE id = :id
"""
_PERSIST = """
INSERT INTO resume_state (id, tenant, user_id, device_id, session_id, cursor, generation, secret_hash, expires_at)
VALUES (:id, :tenant, :user, :device, :session, :cursor, :generation, :secret_hash, :expires_at)
ON CONFLICT (id) DO UPDATE SET cursor = excluded.cursor, generation = excluded.generation,
    session_id = excluded.session_id, secret_hash = excluded.secret_hash, expires_at = excluded.expires_at
WHERE excluded.generation >= resume_state.generation
"""
_DROP = "DELETE FROM resume_state WHERE id = ? AND generation <= ?"
_FORGET = "DELETE FROM resume_state WHERE expires_at <= ?"


class SQLiteResumeStore:
    """``ports.resume_store.ResumeStore`` on the table ``resume_state``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Use the database that everything else is in."""
        self._database = database
        self._clock = clock

    async def load(self, resume_token: str, actor: Actor) -> tuple[ResumeState, str] | None:
        """Take the session over; see the port."""
        return (await self.load_many([(resume_token, actor)]))[0]

    async def load_many(self, loads: Sequence[tuple[str, Actor]]) -> Sequence[tuple[ResumeState, str] | None]:
        """Take a run of sessions over in one commit, each as if alone."""
        now = self._clock.now()
        presented = [(ResumeToken.find(text) or NO_TOKEN, actor) for text, actor in loads]
        return await self._database.write(
            lambda connection: [_take_over(connection, token, actor, now) for token, actor in presented]
        )

    async def persist(self, resume_token: str, state: ResumeState, ttl_seconds: int) -> bool:
        """Store one state; see the port."""
        return (await self.persist_many([(resume_token, state, ttl_seconds)]))[0]

    async def persist_many(self, states: Sequence[tuple[str, ResumeState, int]]) -> Sequence[bool]:
        """Store a run of states in one commit; false for each that was superseded."""
        now = self._clock.now()
        return await self._database.write(
            lambda connection: [_persist(connection, token, state, now + ttl * 1000) for token, state, ttl in states]
        )

    async def drop(self, resume_token: str, reason: DropReason) -> None:
        """Forget the session; see the port."""
        del reason
        token = ResumeToken.find(resume_token)
        if token is not None:
            await self._database.write(lambda connection: connection.execute(_DROP, (token.id, token.generation)))


def _take_over(
    connection: apsw.Connection, presented: ResumeToken, actor: Actor, now: Millis
) -> tuple[ResumeState, str] | None:
    row = fetch_row(connection, _FIND, (presented.id, now))
    if row is None or (row[0], row[1], row[2]) != (actor.tenant, actor.user, actor.device):
        return None
    current = hmac.compare_digest(row[6], presented.secret_hash)
    graced = row[7] is not None and now < row[8] and hmac.compare_digest(row[7], presented.secret_hash)
    if not current and not graced:
        return None
    successor = presented.successor(row[5] + 1)
    cursor = stored_cursor(row[4])
    connection.execute(
        _TAKE_OVER,
        {
            "id": presented.id,
            "generation": successor.generation,
            "secret_hash": successor.secret_hash,
            "session": actor.session,
            "previous_hash": presented.secret_hash,
            "previous_until": now + GRACE_MS if current else row[8],
        },
    )
    state = ResumeState(actor.tenant, actor.user, actor.device, actor.session, cursor, successor.generation)
    return state, str(successor)


def _persist(connection: apsw.Connection, resume_token: str, state: ResumeState, expires_at: int) -> bool:
    token = ResumeToken.parse(resume_token)
    connection.execute(
        _PERSIST,
        {
            "id": token.id,
            "tenant": state.tenant,
            "user": state.user,
            "device": state.device,
            "session": state.session,
            "cursor": str(state.cursor),
            "generation": state.generation,
            "secret_hash": token.secret_hash,
            "expires_at": expires_at,
        },
    )
    return connection.changes() == 1


def forget_states(connection: apsw.Connection, now: Millis) -> int:
    """Delete the states past their time."""
    connection.execute(_FORGET, (now,))
    return connection.changes()
