from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sanctum_messaging.workers.participant_cache import ParticipantCache
from tests.participant_sets import GatedStore, names_of, started

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import ConversationId
    from tests.conftest import HandClock
    from tests.support import Arranged


async def test_answers_the_second_time(
    cache: ParticipantCache, gated: GatedStore, group: ConversationId, version: int
) -> None:
    first = await cache.get(group, version)
    assert names_of(first) == ["ann", "bob", "cid"]
    assert await cache.get(group, version) is first
    assert (gated.reads, cache.counts.misses, cache.counts.memory_hits) == (1, 1, 1)


async def test_answers_for_exactly_its_version(
    cache: ParticipantCache, gated: GatedStore, arranged: Arranged, group: ConversationId, version: int
) -> None:
    await cache.get(group, version)
    await arranged.remove(group, "bob")
    assert names_of(await cache.get(group, version + 1)) == ["ann", "cid"]
    # Whoever learned the older version a moment ago gets what is there now, from the database.
    assert (await cache.get(group, version)).version == version + 1
    assert gated.reads == 3


async def test_is_not_made_older(
    cache: ParticipantCache, gated: GatedStore, arranged: Arranged, group: ConversationId, version: int
) -> None:
    hold = gated.hold("after")
    late = asyncio.create_task(cache.get(group, version))
    await hold.entered.wait()
    await arranged.remove(group, "bob")
    await cache.get(group, version + 1)
    hold.released.set()
    assert (await late).version == version
    await cache.get(group, version + 1)
    assert gated.reads == 2


async def test_keeps_a_newer_set_than_asked_for_under_its_own_version(
    cache: ParticipantCache, gated: GatedStore, arranged: Arranged, group: ConversationId, version: int
) -> None:
    hold = gated.hold("before")
    late = asyncio.create_task(cache.get(group, version))
    await hold.entered.wait()
    await arranged.remove(group, "bob")
    hold.released.set()
    newer = await late
    assert (newer.version, names_of(newer)) == (version + 1, ["ann", "cid"])
    assert await cache.get(group, version + 1) is newer
    await cache.get(group, version)
    assert gated.reads == 2


async def test_ends_after_half_a_minute(
    cache: ParticipantCache, gated: GatedStore, group: ConversationId, clock: HandClock, version: int
) -> None:
    await cache.get(group, version)
    clock.advance(29.9)
    await cache.get(group, version)
    assert gated.reads == 1
    clock.advance(0.1)
    await cache.get(group, version)
    assert gated.reads == 2


async def test_is_bounded_in_participants_and_gives_up_the_least_recently_used(
    gated: GatedStore, clock: HandClock, arranged: Arranged, version: int
) -> None:
    groups = [await arranged.create("ann", "bob", "cid") for _ in range(3)]
    async with started(ParticipantCache(gated, clock, max_participants=8)) as cache:
        for group in (groups[0], groups[1], groups[0], groups[2]):
            await cache.get(group, version)
        assert (cache.entries, cache.participants, gated.reads) == (2, 6, 3)
        await cache.get(groups[0], version)
        assert gated.reads == 3
        await cache.get(groups[1], version)
        assert (cache.entries, gated.reads) == (2, 4)


async def test_makes_room_of_what_is_expired(
    cache: ParticipantCache, gated: GatedStore, clock: HandClock, arranged: Arranged, version: int
) -> None:
    for _ in range(3):
        group = await arranged.create("ann", "bob")
        await cache.get(group, version)
        clock.advance(20)
    assert (cache.entries, cache.participants) == (2, 4)


async def test_does_not_take_what_is_larger_than_its_bound(
    gated: GatedStore, clock: HandClock, group: ConversationId, version: int
) -> None:
    async with started(ParticipantCache(gated, clock, max_participants=3)) as cache:
        assert len(names_of(await cache.get(group, version))) == 3
        assert (cache.entries, cache.participants) == (0, 0)


async def test_is_empty_while_nobody_would_tell_of_changes(
    gated: GatedStore, clock: HandClock, group: ConversationId, version: int
) -> None:
    heard = True
    async with started(ParticipantCache(gated, clock, use_memory=lambda: heard)) as cache:
        await cache.get(group, version)
        heard = False
        await cache.get(group, version)
        assert (cache.entries, gated.reads) == (0, 2)
        await cache.get(group, version)
        heard = True
        await cache.get(group, version)
        assert gated.reads == 4
        await cache.get(group, version)
        assert gated.reads == 4
