"""What the contract (tests/contract/test_shared_participants.py) does not say: keys, time, damage, and no Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.redis.participants import SCAN_COUNT, RedisParticipants
from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.model import ConversationId, Millis, Participant, Role, UserId
from sanctum_messaging.ports.participant_cache import ParticipantSet

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.servers.valkey import ValkeyServer

GROUP = ConversationId("c1")
KEY = "conv:{c1}:participants:v5"
ANN = Participant(GROUP, UserId("ann"), Role.OWNER, Millis(1), version=7)
BOB = Participant(GROUP, UserId("bob"), Role.OBSERVER, Millis(2))
BOTH = ParticipantSet(5, (ANN, BOB))


@pytest.fixture
def shared(redis: Redis) -> RedisParticipants:
    return RedisParticipants(redis)


async def test_a_set_of_redis_bears_the_version_in_its_name_and_goes_in_time(
    shared: RedisParticipants, redis: Redis
) -> None:
    await shared.put(GROUP, BOTH)
    assert await redis.keys() == [KEY.encode()]
    assert await redis.smembers(KEY) == {b"", b'["ann","owner",1,7]', b'["bob","observer",2,1]'}
    assert 299_000 < await redis.pttl(KEY) <= 300_000
    assert await shared.find(GROUP, 5) == BOTH


async def test_a_set_replaces_the_one_before_it_whole(shared: RedisParticipants) -> None:
    await shared.put(GROUP, BOTH)
    await shared.put(GROUP, ParticipantSet(5, (BOB,)))
    assert await shared.find(GROUP, 5) == ParticipantSet(5, (BOB,))


@pytest.mark.parametrize(
    "damage",
    [
        ("SET", KEY, "text"),
        ("SREM", KEY, ""),
        ("SADD", KEY, "text"),
        ("SADD", KEY, b"\xff"),
        ("SADD", KEY, '["carl","king",1,1]'),
        ("SADD", KEY, '["carl"]'),
    ],
)
async def test_what_somebody_else_wrote_there_is_not_there(
    damage: tuple[str, ...], shared: RedisParticipants, redis: Redis
) -> None:
    await shared.put(GROUP, BOTH)
    await redis.execute_command(*damage)  # type: ignore[no-untyped-call] # the driver says no more
    assert await shared.find(GROUP, 5) is None
    await shared.put(GROUP, BOTH)
    assert await shared.find(GROUP, 5) == BOTH


async def test_all_is_forgotten_and_nothing_else(shared: RedisParticipants, redis: Redis) -> None:
    async with redis.pipeline(transaction=False) as pipeline:
        for number in range(3 * SCAN_COUNT):
            pipeline.sadd(f"conv:{{c{number}}}:participants:v1", "")
        await pipeline.execute()
    await redis.set("sanctum:resume:{conv}", "kept")
    await shared.forget_all()
    assert await redis.keys() == [b"sanctum:resume:{conv}"]


async def test_while_redis_is_down_nothing_is_found_and_nothing_forgotten(
    shared: RedisParticipants, valkey_server: ValkeyServer
) -> None:
    await shared.put(GROUP, BOTH)
    valkey_server.kill()
    assert await shared.find(GROUP, 5) is None
    await shared.put(GROUP, BOTH)
    with pytest.raises(UnavailableError):
        await shared.forget_all()
    assert shared.availability.outage.failures == 3
    valkey_server.start()
    assert await shared.find(GROUP, 5) is None
    await shared.put(GROUP, BOTH)
    assert await shared.find(GROUP, 5) == BOTH
