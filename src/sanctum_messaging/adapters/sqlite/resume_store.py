"""Resume states in a table, so that a session outlives the process that served it."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sanctum_messaging.adapters.sql.resume_token import GRACE_MS, NO_TOKEN, ResumeToken, stored_cursor
from sanctum_messaging.adapters.sqlite.database import encode, fetch_json
from sanctum_messaging.adapters.sqlite.forgetting import forget_rows
from sanctum_messaging.ports.resume_store import ResumeState

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.domain.model import Actor, Millis
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.resume_store import DropReason

_FIND = """
SELECT json_group_array(json_array(s.id, s.tenant, s.user_id, s.device_id, s.cursor, s.generation, s.secret_hash,
    s.previous_hash, s.previous_until))
FROM json_each(:ids) AS w CROSS JOIN resume_state AS s ON s.id = w.value
WHERE s.expires_at > :now
"""
_TAKE_OVER = """
UPDATE resume_state SET session_id = new.session_id, generation = new.generation, secret_hash = new.secret_hash,
    previous_hash = new.previous_hash, previous_until = new.previous_until
FROM (SELECT value ->> 0 AS id, value ->> 1 AS session_id, value ->> 2 AS generation, value ->> 3 AS secret_hash,
        value ->> 4 AS previous_hash, value ->> 5 AS previous_until FROM json_each(:taken)) AS new
WHERE resume_state.id = new.id
"""
_GENERATIONS = """
SELECT json_group_array(json_array(s.id, s.generation))
FROM json_each(:ids) AS w CROSS JOIN resume_state AS s ON s.id = w.value
"""
_PERSIST = """
INSERT INTO resume_state (id, tenant, user_id, device_id, session_id, cursor, generation, secret_hash, expires_at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8
FROM json_each(:states)
WHERE true
ON CONFLICT (id) DO UPDATE SET cursor = excluded.cursor, generation = excluded.generation,
    session_id = excluded.session_id, secret_hash = excluded.secret_hash, expires_at = excluded.expires_at
"""
_Row: TypeAlias = tuple[str, str, str, str, str, str, int, str, int]
_DROP = """
DELETE FROM resume_state WHERE id IN (
    SELECT s.id FROM json_each(:tokens) AS w
    CROSS JOIN resume_state AS s ON s.id = w.value ->> 0 AND s.generation <= w.value ->> 1)
"""
_FORGET = """
DELETE FROM resume_state WHERE id IN (SELECT id FROM resume_state WHERE expires_at <= ? LIMIT ?)
"""


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
        return await self._database.write(lambda connection: _take_over(connection, presented, now))

    async def persist(self, resume_token: str, state: ResumeState, ttl_seconds: int) -> bool:
        """Store one state; see the port."""
        return (await self.persist_many([(resume_token, state, ttl_seconds)]))[0]

    async def persist_many(self, states: Sequence[tuple[str, ResumeState, int]]) -> Sequence[bool]:
        """Store a run of states in one commit; false for each that was superseded."""
        now = self._clock.now()
        rows = [_row(ResumeToken.parse(token), state, now + ttl * 1000) for token, state, ttl in states]
        return await self._database.write(lambda connection: _persist(connection, rows))

    async def drop(self, resume_token: str, reason: DropReason) -> None:
        """Forget the session; see the port."""
        del reason
        await self.drop_many([resume_token])

    async def drop_many(self, resume_tokens: Sequence[str]) -> Sequence[None]:
        """Forget a run of sessions in one commit."""
        tokens = encode([(token.id, token.generation) for token in ResumeToken.find_all(resume_tokens)])
        await self._database.write(lambda connection: connection.execute(_DROP, {"tokens": tokens}))
        return [None] * len(resume_tokens)


@dataclass(slots=True)
class _Session:
    """A row, as far as it takes to resume it; in the order of its columns."""

    id: str
    tenant: str
    user: str
    device: str
    cursor: str
    generation: int
    secret_hash: str
    previous_hash: str | None
    previous_until: int

    def take_over(self, presented: ResumeToken, actor: Actor, now: Millis) -> ResumeToken | None:
        """Raise the generation; none for a stranger, or for a token that is not good any more."""
        if (self.tenant, self.user, self.device) != (actor.tenant, actor.user, actor.device):
            return None
        current = hmac.compare_digest(self.secret_hash, presented.secret_hash)
        graced = self.previous_hash is not None and now < self.previous_until
        if not current and not (graced and hmac.compare_digest(self.previous_hash or "", presented.secret_hash)):
            return None
        successor = presented.successor(self.generation + 1)
        self.generation, self.secret_hash = successor.generation, successor.secret_hash
        self.previous_hash = presented.secret_hash
        self.previous_until = now + GRACE_MS if current else self.previous_until
        return successor


def _take_over(
    connection: apsw.Connection, loads: Sequence[tuple[ResumeToken, Actor]], now: Millis
) -> list[tuple[ResumeState, str] | None]:
    ids = encode(list({presented.id for presented, _ in loads}))
    sessions = {row[0]: _Session(*row) for row in fetch_json(connection, _FIND, {"ids": ids, "now": now})}
    found: list[tuple[ResumeState, str] | None] = []
    taken = {}
    for presented, actor in loads:
        session = sessions.get(presented.id)
        successor = None if session is None else session.take_over(presented, actor, now)
        if session is None or successor is None:
            found.append(None)
            continue
        cursor = stored_cursor(session.cursor)
        state = ResumeState(actor.tenant, actor.user, actor.device, actor.session, cursor, session.generation)
        found.append((state, str(successor)))
        old = (session.previous_hash, session.previous_until)
        taken[session.id] = (session.id, actor.session, session.generation, session.secret_hash, *old)
    connection.execute(_TAKE_OVER, {"taken": encode(list(taken.values()))})
    return found


def _persist(connection: apsw.Connection, rows: Sequence[_Row]) -> list[bool]:
    ids = encode(list({row[0] for row in rows}))
    generations = dict(fetch_json(connection, _GENERATIONS, {"ids": ids}))
    stored = []
    newest = {}
    for row in rows:
        key, generation = row[0], row[6]
        stored.append(generation >= generations.get(key, generation))
        if stored[-1]:
            generations[key], newest[key] = generation, row
    connection.execute(_PERSIST, {"states": encode(list(newest.values()))})
    return stored


def _row(token: ResumeToken, state: ResumeState, expires_at: int) -> _Row:
    owner = (state.tenant, state.user, state.device, state.session)
    return (token.id, *owner, str(state.cursor), state.generation, token.secret_hash, expires_at)


def forget_states(connection: apsw.Connection, now: Millis) -> int:
    """Delete a portion of the states past their time."""
    return forget_rows(connection, _FORGET, now)
