"""Who answers at the address of Redis is something else: nothing depends on it, so nothing ends by it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.memory.limiter import MemoryLimiter
from sanctum_messaging.adapters.redis.connection import close_redis, open_redis
from sanctum_messaging.adapters.redis.limiter import RedisLimiter
from sanctum_messaging.adapters.redis.participants import RedisParticipants
from sanctum_messaging.adapters.redis.resume_store import create_redis_resume_store
from sanctum_messaging.adapters.system import SystemClock
from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.model import (
    ORIGIN,
    Actor,
    ConversationId,
    DeviceId,
    Millis,
    Participant,
    Role,
    SessionId,
    TenantId,
    UserId,
)
from sanctum_messaging.ports.participant_cache import ParticipantSet
from sanctum_messaging.ports.resume_store import ResumeState

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from redis.asyncio import Redis

GROUP = ConversationId("c1")
SET = ParticipantSet(1, (Participant(GROUP, UserId("ann"), Role.OWNER, Millis(1)),))
ANN = Actor(TenantId("acme"), UserId("ann"), DeviceId("phone"), SessionId("s1"), Millis(1))
STATE = ResumeState(ANN.tenant, ANN.user, ANN.device, ANN.session, ORIGIN, 1)
TOKEN = "id1.1.secret"


@asynccontextmanager
async def answering(answer: bytes, login: str) -> AsyncGenerator[Redis]:
    """Answer each command with the same."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(answer * data.count(b"*"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        redis = open_redis(f"redis://{login}127.0.0.1:{server.sockets[0].getsockname()[1]}")
        yield redis
        await close_redis(redis)


@pytest.mark.parametrize("login", ["", ":secret@"])
@pytest.mark.parametrize(
    "answer", [b"+OK\r\n", b":1\r\n", b",1.5\r\n", b"*2\r\n:7\r\n:8\r\n", b"*1\r\n*0\r\n", b"?\r\n"]
)
async def test_nothing_ends_by_it(answer: bytes, login: str) -> None:
    clock = SystemClock()
    async with answering(answer, login) as redis:
        limiter = RedisLimiter(redis, clock, MemoryLimiter(clock), log_id="log-1", instance="here", answer_seconds=60)
        await limiter.show()
        assert not limiter.is_reachable
        participants = RedisParticipants(redis, answer_seconds=60)
        assert await participants.find(GROUP, 1) is None
        await participants.put(GROUP, SET)
        with pytest.raises(UnavailableError):
            await participants.forget_all()
        resumes = create_redis_resume_store(redis=redis, clock=clock)
        assert await resumes.load(TOKEN, ANN) is None
        assert await resumes.persist(TOKEN, STATE, 60)
        await resumes.drop(TOKEN, "bye")
