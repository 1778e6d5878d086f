"""What every level that the instances share does; a new one is a fixture ``<name>_shared`` and a parameter."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.redis.connection import open_redis
from sanctum_messaging.adapters.redis.participants import RedisParticipants
from sanctum_messaging.domain.model import ConversationId, Millis, Participant, Role, UserId
from sanctum_messaging.ports.participant_cache import ParticipantSet
from tests.participant_sets import SharedInMemory, participant_set

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.ports.participant_cache import SharedParticipants

GROUP = ConversationId("0198c4a0-0000-7000-8000-000000000001")
OTHER = ConversationId("0198c4a0-0000-7000-8000-000000000002")


@pytest.fixture(params=["memory", "redis"])
def shared(request: pytest.FixtureRequest) -> SharedParticipants:
    level: SharedParticipants = request.getfixturevalue(f"{request.param}_shared")
    return level


@pytest.fixture
def memory_shared() -> SharedParticipants:
    return SharedInMemory()


@pytest.fixture
async def redis_shared(valkey_url: str) -> AsyncGenerator[SharedParticipants]:
    redis = open_redis(valkey_url)
    # On a busy machine a large set takes its time, which is no fault here.
    yield RedisParticipants(redis, answer_seconds=60)
    await redis.aclose()


async def test_what_was_put_is_found_under_exactly_its_version(shared: SharedParticipants) -> None:
    found = participant_set(GROUP, 5, "ann", "bob")
    await shared.put(GROUP, found)
    assert await shared.find(GROUP, 5) == found
    for conversation_id, version in ((GROUP, 4), (GROUP, 6), (GROUP, 55), (OTHER, 5)):
        assert await shared.find(conversation_id, version) is None


async def test_a_newer_set_is_not_found_under_an_older_version_nor_the_reverse(shared: SharedParticipants) -> None:
    older, newer = participant_set(GROUP, 5, "ann", "bob"), participant_set(GROUP, 6, "ann")
    for found in (newer, older):
        await shared.put(GROUP, found)
    # Either may be lost at any time.
    assert await shared.find(GROUP, 5) in (None, older)
    assert await shared.find(GROUP, 6) in (None, newer)


async def test_an_empty_set_is_not_the_same_as_none(shared: SharedParticipants) -> None:
    assert await shared.find(GROUP, 7) is None
    await shared.put(GROUP, ParticipantSet(7, ()))
    assert await shared.find(GROUP, 7) == ParticipantSet(7, ())


async def test_participants_come_back_as_they_were(shared: SharedParticipants) -> None:
    names = ("*", "0", "Zoe", "a b", "a:b", "a{b}c", "ann\u2028", "x" * 255, "\u00e4nne", "\uff5e", "\U0001f600")
    roles = tuple(Role) * 3
    participants = tuple(
        Participant(GROUP, UserId(name), role, Millis(number))
        for number, (name, role) in enumerate(zip(sorted(names), roles, strict=False))
    )
    await shared.put(GROUP, ParticipantSet(1, participants))
    found = await shared.find(GROUP, 1)
    assert found is not None
    assert found.participants == participants


async def test_a_large_set_is_found_whole_or_not_at_all(shared: SharedParticipants) -> None:
    large = participant_set(GROUP, 3, *(f"user-{number}" for number in range(10_000)))
    looks = await asyncio.gather(
        shared.put(GROUP, large), *(shared.find(GROUP, 3) for _ in range(5)), shared.put(GROUP, large)
    )
    assert all(found in (None, large) for found in looks)
    assert await shared.find(GROUP, 3) == large


async def test_nothing_is_found_once_all_was_forgotten(shared: SharedParticipants) -> None:
    found = participant_set(GROUP, 5, "ann")
    await shared.put(GROUP, found)
    await shared.put(OTHER, found)
    await shared.forget_all()
    assert await shared.find(GROUP, 5) is None
    assert await shared.find(OTHER, 5) is None
    await shared.put(GROUP, found)
    assert await shared.find(GROUP, 5) == found
