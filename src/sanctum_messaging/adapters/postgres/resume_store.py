"""Resume states in a table, so that a session outlives the process that served it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.postgres.forgetting import forget_rows
from sanctum_messaging.adapters.sql.resume_token import GRACE_MS, NO_TOKEN, ResumeToken, stored_cursor
from sanctum_messaging.ports.resume_store import ResumeState

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from sanctum_messaging.adapters.postgres.database import Database
    from sanctum_messaging.domain.model import Actor, Millis
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.resume_store import DropReason

# The row is locked while it is compared and raised, so that of two simultaneous loads each gets a generation. What is
# compared are hashes of random secrets: how long that takes tells nothing.
_TAKE_OVER = "SELECT n, cursor, generation FROM take_over_sessions($1, $2, $3, $4, $5, $6, $7, $8, $9)"
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
_DROP = """
DELETE FROM resume_state s USING unnest($1::text[], $2::bigint[]) AS w (id, generation)
WHERE s.id = w.id AND s.generation <= w.generation
"""
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
        return (await self.load_many([(resume_token, actor)]))[0]

    async def load_many(self, loads: Sequence[tuple[str, Actor]]) -> Sequence[tuple[ResumeState, str] | None]:
        """Take a run of sessions over in one commit, each as if alone."""
        if not loads:
            return []
        tokens = [ResumeToken.find(text) or NO_TOKEN for text, _ in loads]
        successors = [token.successor(0) for token in tokens]
        rows = [
            (token.id, actor.tenant, actor.user, actor.device, actor.session, token.secret_hash, successor.secret_hash)
            for (_, actor), token, successor in zip(loads, tokens, successors, strict=True)
        ]
        columns = map(list, zip(*rows, strict=True))
        taken = await self._database.write(_TAKE_OVER, *columns, self._clock.now(), GRACE_MS, repeatable=True)
        found = {row["n"]: row for row in taken}
        return [
            None if number not in found else _taken_over(actor, successor, found[number])
            for number, ((_, actor), successor) in enumerate(zip(loads, successors, strict=True), start=1)
        ]

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
        await self.drop_many([resume_token])

    async def drop_many(self, resume_tokens: Sequence[str]) -> Sequence[None]:
        """Forget a run of sessions in one commit."""
        tokens = ResumeToken.find_all(resume_tokens)
        ids, generations = [token.id for token in tokens], [token.generation for token in tokens]
        await self._database.write(_DROP, ids, generations, repeatable=True)
        return [None] * len(resume_tokens)


def _taken_over(actor: Actor, successor: ResumeToken, row: asyncpg.Record) -> tuple[ResumeState, str]:
    cursor, generation = stored_cursor(row["cursor"]), row["generation"]
    state = ResumeState(actor.tenant, actor.user, actor.device, actor.session, cursor, generation)
    return state, str(replace(successor, generation=generation))


async def forget_states(database: Database, now: Millis) -> int:
    """Delete the states past their time."""
    return await forget_rows(database, _FORGET, now)


def _row(token: ResumeToken, state: ResumeState, expires_at: int) -> tuple[str, str, str, str, str, str, int, str, int]:
    owner = (state.tenant, state.user, state.device, state.session)
    return (token.id, *owner, str(state.cursor), state.generation, token.secret_hash, expires_at)
