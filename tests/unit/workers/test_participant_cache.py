from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.events import EventKind
from sanctum_messaging.domain.model import ConversationId, Role
from sanctum_messaging.ports.participant_cache import ParticipantSet
from sanctum_messaging.workers.participant_cache import ParticipantCache
from tests.participant_sets import WAIT_SECONDS, GatedStore, SharedInMemory, names_of, participant_set, started
from tests.support import Arranged, user

if TYPE_CHECKING:
    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from tests.conftest import HandClock


class TestOneRead:
    async def test_serves_a_hundred_who_ask_at_once(
        self, cache: ParticipantCache, gated: GatedStore, group: ConversationId, version: int
    ) -> None:
        found = await asyncio.gather(*(cache.get(group, version) for _ in range(100)))
        assert all(each is found[0] for each in found)
        assert (gated.reads, cache.counts.misses, cache.counts.joined) == (1, 1, 99)

    async def test_that_fails_fails_all_of_them_and_is_not_kept(
        self, cache: ParticipantCache, gated: GatedStore, group: ConversationId, version: int
    ) -> None:
        gated.fail()
        outcomes = await asyncio.gather(*(cache.get(group, version) for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in outcomes] == [UnavailableError] * 3
        assert gated.reads == 1
        gated.mend()
        assert names_of(await cache.get(group, version)) == ["ann", "bob", "cid"]

    async def test_that_fails_by_a_fault_ends_nothing_else(
        self, cache: ParticipantCache, gated: GatedStore, group: ConversationId, version: int
    ) -> None:
        gated.fail(ValueError("a fault"))
        with pytest.raises(ValueError, match="a fault"):
            await cache.get(group, version)
        gated.mend()
        assert await cache.get(group, version) is await cache.get(group, version)

    async def test_goes_on_when_the_first_who_asked_is_cancelled(
        self, cache: ParticipantCache, gated: GatedStore, group: ConversationId, version: int
    ) -> None:
        hold = gated.hold("after")
        first, second = (asyncio.create_task(cache.get(group, version)) for _ in range(2))
        await hold.entered.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        hold.released.set()
        assert names_of(await second) == ["ann", "bob", "cid"]
        assert gated.reads == 1

    async def test_is_kept_though_nobody_waits_for_it_any_more(
        self, cache: ParticipantCache, gated: GatedStore, group: ConversationId, version: int
    ) -> None:
        hold = gated.hold("after")
        only = asyncio.create_task(cache.get(group, version))
        await hold.entered.wait()
        only.cancel()
        with pytest.raises(asyncio.CancelledError):
            await only
        waiting = asyncio.create_task(cache.get(group, version))
        hold.released.set()
        await waiting
        assert (await cache.get(group, version), gated.reads) == (await waiting, 1)

    async def test_is_not_shared_with_who_learned_another_version(
        self, cache: ParticipantCache, gated: GatedStore, arranged: Arranged, group: ConversationId, version: int
    ) -> None:
        hold = gated.hold("after")
        late = asyncio.create_task(cache.get(group, version))
        await hold.entered.wait()
        await arranged.remove(group, "bob")
        assert names_of(await cache.get(group, version + 1)) == ["ann", "cid"]
        hold.released.set()
        await late


class TestInvalidation:
    async def test_forgets_one_conversation_or_all(
        self, cache: ParticipantCache, gated: GatedStore, arranged: Arranged, version: int
    ) -> None:
        groups = [await arranged.create("ann", "bob") for _ in range(3)]
        for group in groups:
            await cache.get(group, version)
        cache.invalidate(groups[0])
        cache.invalidate(ConversationId("unknown"))
        assert (cache.entries, cache.participants) == (2, 4)
        cache.invalidate(None)
        assert (cache.entries, cache.participants, cache.counts.invalidations) == (0, 0, 3)

    @pytest.mark.parametrize("everything", [False, True])
    async def test_while_a_read_is_under_way_lets_nothing_of_it_be_kept(
        self, cache: ParticipantCache, gated: GatedStore, group: ConversationId, version: int, *, everything: bool
    ) -> None:
        hold = gated.hold("after")
        late = asyncio.create_task(cache.get(group, version))
        await hold.entered.wait()
        cache.invalidate(None if everything else group)
        hold.released.set()
        assert (await late).version == version
        assert cache.entries == 0

    async def test_lets_nobody_join_an_older_read(
        self, cache: ParticipantCache, arranged: Arranged, gated: GatedStore, group: ConversationId, version: int
    ) -> None:
        """After a failover the same version may be another set."""
        hold = gated.hold("after")
        late = asyncio.create_task(cache.get(group, version))
        await hold.entered.wait()
        cache.invalidate(None)
        await asyncio.wait_for(cache.get(group, version), WAIT_SECONDS)
        assert cache.entries == 1
        hold.released.set()
        await late
        assert (gated.reads, cache.entries) == (2, 1)


class TestSets:
    async def test_hold_nothing_that_only_one_may_see(
        self,
        cache: ParticipantCache,
        gated: GatedStore,
        store: SQLiteStore,
        arranged: Arranged,
        group: ConversationId,
        version: int,
    ) -> None:
        bob = (await store.find_participants(group, [user("bob")]))[user("bob")]
        marked = replace(bob, version=2, muted=True, hidden=True, pinned=True)
        await arranged.participant_event(EventKind.PARTICIPANT_UPDATED, marked, private=True)
        found = await cache.get(group, version)
        shown = {each.user_id: each for each in found.participants}[user("bob")]
        assert (shown.muted, shown.hidden, shown.pinned, shown.version) == (False, False, False, 1)

    async def test_hold_the_roles(
        self,
        cache: ParticipantCache,
        gated: GatedStore,
        store: SQLiteStore,
        arranged: Arranged,
        group: ConversationId,
        version: int,
    ) -> None:
        await cache.get(group, version)
        bob = (await store.find_participants(group, [user("bob")]))[user("bob")]
        await arranged.participant_event(EventKind.PARTICIPANT_UPDATED, replace(bob, role=Role.ADMIN, version=2))
        found = await cache.get(group, version + 1)
        assert [each.role for each in found.participants] == [Role.OWNER, Role.ADMIN, Role.MEMBER]
        # The row's version counts what only bob may see, too.
        assert [each.version for each in found.participants] == [1, 1, 1]

    async def test_of_what_was_deleted_are_empty_and_not_kept(
        self, cache: ParticipantCache, gated: GatedStore, arranged: Arranged, group: ConversationId, version: int
    ) -> None:
        await arranged.delete_conversation(group, "ann")
        assert (await cache.get(group, version)).participants == ()
        assert cache.entries == 0

    async def test_are_never_older_than_asked_for(
        self, cache: ParticipantCache, gated: GatedStore, group: ConversationId, version: int
    ) -> None:
        with pytest.raises(UnavailableError):
            await cache.get(group, version + 1)
        assert cache.entries == 0

    async def test_are_kept_under_the_version_that_they_came_with(self, cache: ParticipantCache) -> None:
        group = ConversationId("a group")
        cache.set(group, participant_set(group, 7, "ann"))
        cache.set(group, participant_set(group, 6, "ann", "bob"))
        assert names_of(await cache.get(group, 7)) == ["ann"]


class TestLifecycle:
    async def test_outside_of_it_the_database_is_read_and_nothing_kept(
        self, gated: GatedStore, clock: HandClock, group: ConversationId, version: int
    ) -> None:
        cache = ParticipantCache(gated, clock, SharedInMemory())
        for _ in range(2):
            cache.set(group, ParticipantSet(version, ()))
            assert names_of(await cache.get(group, version)) == ["ann", "bob", "cid"]
            cache.invalidate(group)
            assert cache.entries == 0
            async with started(cache):
                await cache.get(group, version)
                assert cache.entries == 1
        assert gated.reads == 4

    async def test_its_end_tells_those_who_wait(
        self, gated: GatedStore, clock: HandClock, group: ConversationId, version: int
    ) -> None:
        hold = gated.hold("before")
        async with started(ParticipantCache(gated, clock)) as cache:
            waiting = asyncio.create_task(cache.get(group, version))
            forgotten = asyncio.create_task(cache.get(group, version))
            await hold.entered.wait()
            cache.invalidate(group)
            # This one's read has not even begun when it is ended.
            unbegun = asyncio.create_task(cache.get(group, version))
            await asyncio.sleep(0)
        for each in (waiting, forgotten, unbegun):
            with pytest.raises(UnavailableError) as refused:
                await asyncio.wait_for(each, WAIT_SECONDS)
            assert refused.value.code == "stopping"

    async def test_may_end_before_it_began(self, gated: GatedStore, clock: HandClock) -> None:
        await ParticipantCache(gated, clock).stop()
