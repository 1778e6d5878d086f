"""Resume states in Redis, where a client finds his session on whichever instance he comes back to.

Nothing depends on them: with Redis away or emptied a client goes on from the cursor he holds himself, and a state that
could not be written is written again with the next acknowledgement.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING

import structlog

from sanctum_messaging.adapters.redis.availability import Availability
from sanctum_messaging.adapters.sql.resume_token import GRACE_MS, NO_TOKEN, ResumeToken
from sanctum_messaging.domain.errors import InvalidCursorError
from sanctum_messaging.domain.model import Cursor
from sanctum_messaging.ports.resume_store import ResumeState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline
    from redis.commands.core import AsyncScript

    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.resume_store import DropReason

_log = structlog.get_logger(__name__)


def create_redis_resume_store(*, redis: Redis, clock: Clock) -> RedisResumeStore:
    """Make the three callables that a hub wants: ``load``, ``persist`` and ``drop``, of one object."""
    return RedisResumeStore(redis, clock)


class RedisResumeStore:
    """``ports.resume_store.ResumeStore``; each call is one script, and so is atomic.

    Times are those of the instances' clocks, which the grace of a minute allows to differ by seconds; that a state is
    forgotten some day is left to Redis as well, by its own clock.
    """

    def __init__(self, redis: Redis, clock: Clock) -> None:
        """Use a client of ``connection.open_redis``, or one's own."""
        self.availability = Availability("resume_store")
        self._redis = redis
        self._clock = clock
        self._load = _script(redis, "resume_load")
        self._persist = _script(redis, "resume_persist")
        self._drop = _script(redis, "resume_drop")

    async def load(self, resume_token: str, actor: Actor) -> tuple[ResumeState, str] | None:
        """Take the session over; see the port. None also while Redis is not available."""
        return (await self.load_many([(resume_token, actor)]))[0]

    async def load_many(self, loads: Sequence[tuple[str, Actor]]) -> Sequence[tuple[ResumeState, str] | None]:
        """Take a run of sessions over in one round trip, each as if alone."""
        now = self._clock.now()
        tokens = [ResumeToken.find(text) or NO_TOKEN for text, _ in loads]
        # The generation is known to the script only; the secret is drawn before, and stored as a hash.
        successors = [token.successor(0) for token in tokens]
        async with self._redis.pipeline(transaction=False) as pipeline:
            for (_, actor), token, successor in zip(loads, tokens, successors, strict=True):
                await self._add_load(pipeline, token, successor, actor, now=now)
            taken = await self.availability.ask(pipeline.execute)
        if taken is None:
            return [None] * len(loads)
        return [
            _taken_over(actor, successor, found)
            for (_, actor), successor, found in zip(loads, successors, taken, strict=True)
        ]

    async def persist(self, resume_token: str, state: ResumeState, ttl_seconds: int) -> bool:
        """Store one state; see the port. True also while Redis is not available: nobody was found to be newer."""
        return (await self.persist_many([(resume_token, state, ttl_seconds)]))[0]

    async def persist_many(self, states: Sequence[tuple[str, ResumeState, int]]) -> Sequence[bool]:
        """Store a run of states at once; false for each that was superseded."""
        now = self._clock.now()
        async with self._redis.pipeline(transaction=False) as pipeline:
            for resume_token, state, ttl_seconds in states:
                await self._add(pipeline, ResumeToken.parse(resume_token), state, now=now, ttl_ms=ttl_seconds * 1000)
            written = await self.availability.ask(pipeline.execute)
        return [True] * len(states) if written is None else [each != 0 for each in written]

    async def drop(self, resume_token: str, reason: DropReason) -> None:
        """Forget the session; see the port. While Redis is not available it is left to its time."""
        del reason
        await self.drop_many([resume_token])

    async def drop_many(self, resume_tokens: Sequence[str]) -> Sequence[None]:
        """Forget a run of sessions in one round trip."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for token in ResumeToken.find_all(resume_tokens):
                await self._drop(keys=[_key(token)], args=[token.generation], client=pipeline)
            await self.availability.ask(pipeline.execute)
        return [None] * len(resume_tokens)

    async def _add_load(
        self, pipeline: Pipeline, token: ResumeToken, successor: ResumeToken, actor: Actor, *, now: int
    ) -> None:
        hashes = (token.secret_hash, successor.secret_hash)
        arguments: list[str | int] = [
            now,
            actor.tenant,
            actor.user,
            actor.device,
            actor.session,
            *hashes,
            now + GRACE_MS,
        ]
        await self._load(keys=[_key(token)], args=arguments, client=pipeline)

    async def _add(self, pipeline: Pipeline, token: ResumeToken, state: ResumeState, *, now: int, ttl_ms: int) -> None:
        fields: dict[str, str | int] = {
            "tenant": state.tenant,
            "user": state.user,
            "device": state.device,
            "session": state.session,
            "cursor": str(state.cursor),
            "secret_hash": token.secret_hash,
            "expires_at": now + ttl_ms,
        }
        values = [part for field in fields.items() for part in field]
        await self._persist(keys=[_key(token)], args=[ttl_ms, state.generation, *values], client=pipeline)


def _script(redis: Redis, name: str) -> AsyncScript:
    """Prepare a script, which is sent as a whole only where Redis does not know it."""
    return redis.register_script(files(__package__).joinpath(f"{name}.lua").read_text("utf-8"))


def _key(token: ResumeToken) -> str:
    return f"sanctum:resume:{{{token.id}}}"


def _taken_over(actor: Actor, successor: ResumeToken, found: Sequence[object] | None) -> tuple[ResumeState, str] | None:
    match found:
        case [int(generation), bytes() | str() as stored] if (cursor := _find_cursor(stored)) is not None:
            state = ResumeState(actor.tenant, actor.user, actor.device, actor.session, cursor, generation)
            return state, str(replace(successor, generation=generation))
        case _:
            return None


def _find_cursor(stored: bytes | str) -> Cursor | None:
    """Read a stored cursor; none if somebody else wrote it."""
    try:
        return Cursor.parse(stored.decode() if isinstance(stored, bytes) else stored)
    except (InvalidCursorError, UnicodeDecodeError):
        _log.warning("resume_state_damaged")
        return None
