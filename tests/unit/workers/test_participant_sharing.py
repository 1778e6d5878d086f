from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.domain.model import ConversationId
from sanctum_messaging.workers.participant_cache import ParticipantCache
from sanctum_messaging.workers.participant_sharing import ParticipantSharing
from tests.participant_sets import GatedStore, SharedInMemory, names_of, participant_set, started

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.conftest import HandClock
    from tests.support import Arranged

GROUP = ConversationId("a group")


@pytest.fixture
def shared() -> SharedInMemory:
    return SharedInMemory()


@pytest.fixture
async def caches(
    gated: GatedStore, shared: SharedInMemory, clock: HandClock
) -> AsyncGenerator[tuple[ParticipantCache, ParticipantCache]]:
    """Those of two instances, which have begun to believe what they share."""
    async with (
        started(ParticipantCache(gated, clock, shared)) as one,
        started(ParticipantCache(gated, clock, shared)) as two,
    ):
        await shared.until(lambda: shared.gate.calls == ["forget_all"] * 2)
        yield one, two


@asynccontextmanager
async def running(sharing: ParticipantSharing) -> AsyncGenerator[None]:
    task = asyncio.create_task(sharing.run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


class TestTwoInstances:
    async def test_read_the_database_once(
        self,
        caches: tuple[ParticipantCache, ParticipantCache],
        shared: SharedInMemory,
        gated: GatedStore,
        group: ConversationId,
        version: int,
    ) -> None:
        one, two = caches
        read = await one.get(group, version)
        await shared.until(lambda: (group, version) in shared.sets)
        assert await two.get(group, version) == read
        assert await two.get(group, version) == read
        assert (gated.reads, two.counts.shared_hits, two.counts.memory_hits, two.counts.misses) == (1, 1, 1, 0)
        assert shared.gate.calls.count("put") == 1

    async def test_use_what_they_share_while_neither_has_a_memory(
        self, gated: GatedStore, shared: SharedInMemory, clock: HandClock, group: ConversationId, version: int
    ) -> None:
        async with started(ParticipantCache(gated, clock, shared, use_memory=lambda: False)) as cache:
            await cache.get(group, version)
            await shared.until(lambda: (group, version) in shared.sets)
            await cache.get(group, version)
            assert (gated.reads, cache.counts.shared_hits, cache.entries) == (1, 1, 0)

    async def test_never_wait_for_what_is_being_shared(
        self,
        caches: tuple[ParticipantCache, ParticipantCache],
        shared: SharedInMemory,
        group: ConversationId,
        version: int,
    ) -> None:
        hold = shared.gate.hold("put")
        assert names_of(await caches[0].get(group, version)) == ["ann", "bob", "cid"]
        await hold.entered.wait()
        assert names_of(await caches[0].get(group, version)) == ["ann", "bob", "cid"]


class TestAnotherLog:
    async def test_of_before_the_start_is_not_believed(
        self, gated: GatedStore, shared: SharedInMemory, clock: HandClock, group: ConversationId, version: int
    ) -> None:
        shared.sets[group, version] = participant_set(group, version, "mallory")
        hold = shared.gate.hold("forget_all")
        async with started(ParticipantCache(gated, clock, shared)) as cache:
            await hold.entered.wait()
            assert names_of(await cache.get(group, version)) == ["ann", "bob", "cid"]
            hold.released.set()
            await shared.until(lambda: names_of(shared.sets[group, version]) == ["ann", "bob", "cid"])

    async def test_is_not_believed_when_it_answers_too_late(
        self,
        caches: tuple[ParticipantCache, ParticipantCache],
        shared: SharedInMemory,
        gated: GatedStore,
        group: ConversationId,
        version: int,
    ) -> None:
        shared.sets[group, version] = participant_set(group, version, "mallory")
        hold = shared.gate.hold("find")
        asked = asyncio.create_task(caches[0].get(group, version))
        await hold.entered.wait()
        caches[0].invalidate(None)
        await shared.until(lambda: not shared.sets)
        hold.released.set()
        assert names_of(await asked) == ["ann", "bob", "cid"]
        assert (caches[0].entries, gated.reads, caches[0].counts.shared_hits) == (0, 1, 0)

    async def test_is_forgotten_with_what_is_being_shared(
        self,
        caches: tuple[ParticipantCache, ParticipantCache],
        shared: SharedInMemory,
        arranged: Arranged,
        group: ConversationId,
        version: int,
    ) -> None:
        hold = shared.gate.hold("put")
        await caches[0].get(group, version)
        await hold.entered.wait()
        await caches[0].get(await arranged.create("ann"), version)
        caches[0].invalidate(None)
        hold.released.set()
        await shared.until(lambda: shared.gate.calls.count("forget_all") == 3)
        # The second of the two was not put at all.
        assert (shared.sets, shared.gate.calls.count("put")) == ({}, 1)


class TestSharing:
    async def test_is_not_believed_until_it_has_forgotten(self, shared: SharedInMemory) -> None:
        sharing = ParticipantSharing(shared, retry_seconds=0)
        found = participant_set(GROUP, 1, "ann")
        async with running(sharing):
            sharing.put(GROUP, found)
            await shared.until(lambda: bool(shared.sets))
            assert await sharing.find(GROUP, 1) == found
            shared.gate.fail()
            again = shared.gate.hold("forget_all")
            sharing.forget_all()
            assert await sharing.find(GROUP, 1) is None
            await again.entered.wait()
            again.released.set()
            later = shared.gate.hold("forget_all")
            await later.entered.wait()
            assert await sharing.find(GROUP, 1) is None
            shared.gate.mend()
            later.released.set()
            await shared.until(lambda: not shared.sets)
            sharing.put(GROUP, found)
            await shared.until(lambda: bool(shared.sets))
            assert await sharing.find(GROUP, 1) == found

    async def test_forgets_again_what_came_while_it_forgot(self, shared: SharedInMemory) -> None:
        sharing = ParticipantSharing(shared)
        async with running(sharing):
            hold = shared.gate.hold("forget_all")
            sharing.forget_all()
            await hold.entered.wait()
            sharing.forget_all()
            second = shared.gate.hold("forget_all")
            hold.released.set()
            await second.entered.wait()
            shared.sets[GROUP, 1] = participant_set(GROUP, 1, "mallory")
            assert await sharing.find(GROUP, 1) is None
            second.released.set()
            await shared.until(lambda: not shared.sets)

    async def test_drops_what_is_too_much(self, shared: SharedInMemory) -> None:
        sharing = ParticipantSharing(shared, max_waiting=6)
        for version in (1, 2, 3):
            sharing.put(GROUP, participant_set(GROUP, version, "ann", "bob"))
        assert sharing.dropped == 1
        async with running(sharing):
            await shared.until(lambda: len(shared.sets) == 2)
            sharing.put(GROUP, participant_set(GROUP, 4, "ann", "bob"))
            await shared.until(lambda: len(shared.sets) == 3)
        assert sharing.dropped == 1
