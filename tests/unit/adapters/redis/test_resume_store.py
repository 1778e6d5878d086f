"""What the contract (tests/contract/test_resume_store.py) does not say: Redis is away, emptied, or holds nonsense."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from sanctum_messaging.adapters.redis.connection import open_redis
from sanctum_messaging.adapters.redis.resume_store import RedisResumeStore, create_redis_resume_store
from sanctum_messaging.domain.model import Actor, Cursor, DeviceId, Millis, Position, SessionId, TenantId, UserId
from sanctum_messaging.ports.resume_store import ResumeState

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.conftest import HandClock
    from tests.servers.valkey import ValkeyServer

ANN = Actor(TenantId("default"), UserId("ann"), DeviceId("phone"), SessionId("s1"), Millis(2**50))
TOKEN = "id1.1.secret"
KEY = "sanctum:resume:{id1}"
DAY = 24 * 3600


@pytest.fixture
def resumes(redis: Redis, clock: HandClock) -> RedisResumeStore:
    return create_redis_resume_store(redis=redis, clock=clock)


def state_at(position: int, generation: int = 1) -> ResumeState:
    return ResumeState(
        ANN.tenant, ANN.user, ANN.device, ANN.session, Cursor(Position(position), "0000abcd"), generation
    )


async def test_a_session_that_redis_lost_is_stored_again(resumes: RedisResumeStore, redis: Redis) -> None:
    await resumes.persist(TOKEN, state_at(5), DAY)
    await redis.flushall()
    assert await resumes.load(TOKEN, ANN) is None
    assert await resumes.persist(TOKEN, state_at(6), DAY)
    found = await resumes.load(TOKEN, ANN)
    assert found is not None
    assert found[0].cursor.position == 6


async def test_scripts_that_redis_forgot_are_sent_again(resumes: RedisResumeStore, redis: Redis) -> None:
    for _ in range(2):
        assert await resumes.persist(TOKEN, state_at(5), DAY)
        await redis.script_flush()
        assert await resumes.load(TOKEN, ANN) is not None
        await redis.script_flush()
        await resumes.drop("id1.9.secret", "bye")
        await redis.script_flush()
        assert await resumes.load(TOKEN, ANN) is None
    assert resumes.availability.outage.failures == 0


async def test_many_states_are_judged_one_by_one(resumes: RedisResumeStore) -> None:
    await resumes.persist("id2.3.secret", state_at(9, generation=3), DAY)
    outcomes = await resumes.persist_many(
        [(TOKEN, state_at(5), DAY), ("id2.1.secret", state_at(5), DAY), ("id3.1.secret", state_at(5), DAY)]
    )
    assert outcomes == [True, False, True]
    assert await resumes.persist_many([]) == []
    with pytest.raises(ValueError, match="none"):
        await resumes.persist_many([("no token", state_at(5), DAY)])


async def test_a_session_that_was_taken_over_is_not_forgotten_by_who_lost_it(
    resumes: RedisResumeStore, redis: Redis
) -> None:
    await resumes.persist(TOKEN, state_at(5), DAY)
    found = await resumes.load(TOKEN, ANN)
    assert found is not None
    await resumes.drop(TOKEN, "bye")
    assert await redis.exists(KEY)
    await resumes.drop(found[1], "bye")
    assert not await redis.exists(KEY)


async def test_redis_forgets_a_session_by_itself_and_never_knows_a_secret(
    resumes: RedisResumeStore, redis: Redis
) -> None:
    await resumes.persist(TOKEN, state_at(5), 100)
    assert 99_000 < await redis.pttl(KEY) <= 100_000
    found = await resumes.load(TOKEN, ANN)
    assert found is not None
    assert 99_000 < await redis.pttl(KEY) <= 100_000
    stored = await redis.hgetall(KEY)
    for secret in ("secret", found[1].split(".")[2]):
        assert secret.encode() not in stored.values()


async def test_while_redis_is_down_nothing_is_resumed_and_nothing_fails(
    resumes: RedisResumeStore, valkey_server: ValkeyServer
) -> None:
    await resumes.persist(TOKEN, state_at(5), DAY)
    valkey_server.kill()
    with capture_logs() as lines:
        assert await resumes.load(TOKEN, ANN) is None
        assert await resumes.persist(TOKEN, state_at(6), DAY)
        assert await resumes.persist_many([(TOKEN, state_at(6), DAY)] * 3) == [True] * 3
        await resumes.drop(TOKEN, "bye")
        assert resumes.availability.outage.failures == 4
        valkey_server.start()
        assert await resumes.persist(TOKEN, state_at(7), DAY)
    found = await resumes.load(TOKEN, ANN)
    assert found is not None
    assert found[0].cursor.position == 7
    told = [(line["event"], line["part"]) for line in lines]
    assert told == [("redis_unavailable", "resume_store"), ("redis_available", "resume_store")]


async def test_a_redis_that_does_not_answer_holds_nobody_up_for_long(
    resumes: RedisResumeStore, valkey_server: ValkeyServer
) -> None:
    await resumes.persist(TOKEN, state_at(5), DAY)
    now = asyncio.get_running_loop().time
    began = now()
    valkey_server.pause()
    try:
        assert await asyncio.gather(*(resumes.load(TOKEN, ANN) for _ in range(100))) == [None] * 100
        assert now() - began < 2
        began = now()
        assert await resumes.load(TOKEN, ANN) is None
        assert now() - began < 0.5, "he who waited in vain has told the others"
    finally:
        valkey_server.resume()


async def test_nobody_listens_at_the_address(clock: HandClock, valkey_server: ValkeyServer) -> None:
    redis = open_redis("redis://127.0.0.1:1/0")
    resumes = RedisResumeStore(redis, clock)
    assert await resumes.load(TOKEN, ANN) is None
    assert await resumes.persist(TOKEN, state_at(5), DAY)
    await redis.aclose()


@pytest.mark.parametrize(
    "damage",
    [
        ("SET", KEY, "text"),
        ("HSET", KEY, "cursor", "nonsense"),
        ("HSET", KEY, "cursor", b"\xff"),
        ("HSET", KEY, "generation", "many"),
        ("HSET", KEY, "expires_at", "soon"),
        ("HDEL", KEY, "secret_hash"),
    ],
)
async def test_what_somebody_else_wrote_there_is_no_session(
    damage: tuple[str, ...], resumes: RedisResumeStore, redis: Redis
) -> None:
    await resumes.persist(TOKEN, state_at(5), DAY)
    await redis.execute_command(*damage)  # type: ignore[no-untyped-call] # the driver says no more
    assert await resumes.load(TOKEN, ANN) is None
