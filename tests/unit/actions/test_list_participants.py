"""The list of participants: from a cache, and yet as things stand when it is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.actions.conversations import NewConversation, create_conversation, delete_conversation
from sanctum_messaging.actions.decisions import VersionMatch
from sanctum_messaging.actions.memberships import NewParticipant, remove_participant
from sanctum_messaging.actions.participants import ParticipantPatch, list_participants, update_participant
from sanctum_messaging.domain.errors import NotFoundError
from sanctum_messaging.domain.model import Actor, ConversationId, ConversationKind, Role, UserId
from sanctum_messaging.workers.participant_cache import ParticipantCache
from tests.acting import actor
from tests.participant_sets import SharedInMemory, started

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from sanctum_messaging.domain.model import Participant
    from sanctum_messaging.ports import Ports
    from sanctum_messaging.ports.participant_cache import ParticipantCache as Cache
    from sanctum_messaging.ports.participant_cache import ParticipantSet
    from tests.conftest import HandClock

OWNER, MEMBER, OBSERVER, STRANGER = (actor(name) for name in ("owner", "member", "observer", "stranger"))


@pytest.fixture
async def group(ports: Ports) -> ConversationId:
    """Everybody is in it with the role that he is called by."""
    roles = {"observer": Role.OBSERVER, "owner2": Role.OWNER, "admin": Role.ADMIN, "member": Role.MEMBER}
    others = tuple(NewParticipant(UserId(name), role) for name, role in roles.items())
    created = await create_conversation(ports, OWNER, NewConversation(ConversationKind.GROUP, others))
    assert created.answer.conversation is not None
    return created.answer.conversation.id


async def change(ports: Ports, who: Actor, group: ConversationId, target: str, **patch: object) -> None:
    changes = ParticipantPatch(**patch)  # type: ignore[arg-type]  # test data
    await update_participant(ports, who, group, user_id=UserId(target), patch=changes)


async def test_the_list_goes_by_user_id_and_on_from_there(ports: Ports, group: ConversationId) -> None:
    first = await list_participants(ports, OBSERVER, group, after=None, limit=4)
    rest = await list_participants(ports, OBSERVER, group, after=first[-1].user_id, limit=4)
    assert [each.user_id for each in [*first, *rest]] == ["admin", "member", "observer", "owner", "owner2"]


async def test_its_pages_are_of_one_read(
    ports: Ports, group: ConversationId, store: SQLiteStore, clock: HandClock
) -> None:
    async with started(ParticipantCache(store, clock)) as cache:
        for after in (None, UserId("member"), UserId("owner")):
            await list_participants(replace(ports, participants=cache), OBSERVER, group, after=after, limit=2)
        assert (cache.counts.misses, cache.counts.memory_hits) == (1, 2)


async def test_outsiders_find_nothing(ports: Ports, group: ConversationId) -> None:
    for who in (STRANGER, actor("owner", tenant="elsewhere")):
        with pytest.raises(NotFoundError):
            await list_participants(ports, who, group, after=None, limit=4)


async def test_it_goes_on_beyond_one_who_is_not_there(ports: Ports, group: ConversationId) -> None:
    rest = await list_participants(ports, OBSERVER, group, after=UserId("nobody"), limit=9)
    assert [each.user_id for each in rest] == ["observer", "owner", "owner2"]
    assert await list_participants(ports, OBSERVER, group, after=UserId("zoe"), limit=9) == []


async def test_it_shows_ones_own_marks_as_they_are_now_and_to_nobody_else(ports: Ports, group: ConversationId) -> None:
    await list_participants(ports, MEMBER, group, after=None, limit=9)
    await change(ports, MEMBER, group, "member", muted=True)
    for who, shown in ((MEMBER, True), (OWNER, False), (MEMBER, True)):
        assert (await listed(ports, who, group))["member"].muted is shown
    await change(ports, MEMBER, group, "member", muted=False)
    assert not (await listed(ports, MEMBER, group))["member"].muted


async def test_it_shows_a_change_at_once_on_any_instance(
    ports: Ports, group: ConversationId, store: SQLiteStore, clock: HandClock
) -> None:
    """Nobody tells these caches of anything, and they believe all that they share."""
    shared = SharedInMemory()
    async with (
        started(ParticipantCache(store, clock, shared)) as one,
        started(ParticipantCache(store, clock, shared)) as two,
    ):
        await shared.until(lambda: len(shared.gate.calls) == 2)
        instances = [replace(ports, participants=cache) for cache in (one, two)]
        for each in instances:
            assert (await listed(each, OWNER, group))["member"].role is Role.MEMBER
        await change(instances[0], OWNER, group, "member", role=Role.ADMIN)
        for each in instances:
            assert (await listed(each, OWNER, group))["member"].role is Role.ADMIN
        await remove_participant(instances[1], OWNER, group, user_id=MEMBER.user)
        for each in instances:
            assert "member" not in await listed(each, OWNER, group)
            with pytest.raises(NotFoundError):
                await list_participants(each, MEMBER, group, after=None, limit=9)


async def test_it_is_refused_to_one_who_is_removed_meanwhile(ports: Ports, group: ConversationId) -> None:
    """What is read is newer than his check, so it holds what came after his removal."""

    async def remove() -> None:
        await remove_participant(ports, OWNER, group, user_id=MEMBER.user)
        await change(ports, OWNER, group, "admin", role=Role.OBSERVER)

    with pytest.raises(NotFoundError):
        await list_participants(interrupted(ports, remove), MEMBER, group, after=None, limit=9)


async def test_it_is_refused_when_the_conversation_is_deleted_meanwhile(ports: Ports, group: ConversationId) -> None:
    async def delete() -> None:
        await delete_conversation(ports, OWNER, group, match=VersionMatch(None))

    with pytest.raises(NotFoundError):
        await list_participants(interrupted(ports, delete), MEMBER, group, after=None, limit=9)


async def test_it_shows_ones_own_role_as_it_became_meanwhile(ports: Ports, group: ConversationId) -> None:
    await change(ports, MEMBER, group, "member", pinned=True)

    async def promote() -> None:
        await change(ports, OWNER, group, "member", role=Role.ADMIN)

    own = (await listed(interrupted(ports, promote), MEMBER, group))["member"]
    assert (own.role, own.pinned) == (Role.ADMIN, True)


async def listed(ports: Ports, who: Actor, group: ConversationId) -> dict[str, Participant]:
    found = await list_participants(ports, who, group, after=None, limit=10)
    return {each.user_id: each for each in found}


class Interrupted:
    """A cache; before it is asked, something happens."""

    def __init__(self, cache: Cache, happening: Callable[[], Awaitable[None]]) -> None:
        self._cache = cache
        self._happening = happening
        self.invalidate = cache.invalidate

    async def get(self, conversation_id: ConversationId, version: int) -> ParticipantSet:
        await self._happening()
        return await self._cache.get(conversation_id, version)


def interrupted(ports: Ports, happening: Callable[[], Awaitable[None]]) -> Ports:
    """Let something happen between the check of the one who asks and the reading of the set."""
    return replace(ports, participants=Interrupted(ports.participants, happening))
