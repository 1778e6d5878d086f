"""Memberships are read while they change, and no change falls between reading and listening."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.domain.model import TenantId, UserId
from tests.hub_client import until

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import ConversationId
    from sanctum_messaging.hub.user import User
    from sanctum_messaging.hub.users import Users
    from tests.hub_world import World
    from tests.unit.hub.in_memory import Sockets

TENANT = TenantId("default")


@pytest.fixture
def users(world: World) -> Users:
    return world.hub._users


@pytest.fixture
def ben(users: Users) -> User:
    return users.hold(TENANT, UserId("ben"))


async def interval_starts(world: World, user: User) -> dict[ConversationId, list[int]]:
    """What the database says of him now."""
    (memberships,) = await world.store.read_memberships([(user.tenant, user.name)])
    return {group: [each.first for each in intervals] for group, intervals in memberships.conversations.items()}


def known_starts(user: User) -> dict[ConversationId, list[int]]:
    return {group: [each.first for each in intervals] for group, intervals in user.conversations.items()}


class TestReadingWhileMembershipsChange:
    @pytest.mark.parametrize("change", ["create", "add", "add again", "remove", "delete", "remove and add", "nothing"])
    async def test_ends_with_what_the_database_says(self, world: World, users: Users, ben: User, change: str) -> None:
        group = await world.create("ada", "ben")
        other = await world.create("ada")
        if change == "add again":
            await world.remove(group, "ada", "ben")
        hold = world.log.hold("read_memberships")
        loading = asyncio.create_task(users.load(ben))
        await hold.entered.wait()
        if change == "create":
            await world.create("ada", "ben")
        elif change == "add":
            await world.add(other, "ada", "ben")
        elif change == "delete":
            await world.delete_conversation(group, "ada")
        elif change.startswith("remove"):
            await world.remove(group, "ada", "ben")
        if change.endswith(("again", "and add")):
            await world.add(group, "ada", "ben")
        hold.released.set()
        await loading
        assert known_starts(ben) == await interval_starts(world, ben)

    async def test_changes_that_the_read_knew_of_are_not_applied_twice(
        self, world: World, users: Users, ben: User
    ) -> None:
        """The read is ahead of the tail; the events below it arrive afterwards."""
        group = await world.create("ada", "ben")
        with world.unheard() as held:
            await world.remove(group, "ada", "ben")
            await world.add(group, "ada", "ben")
            await users.load(ben)
        assert ben.as_of > world.hub.tail.position
        for committed in held:
            world.hub.apply(committed)
            assert known_starts(ben) == await interval_starts(world, ben)
            assert ben.loaded

    @pytest.mark.parametrize("change", ["add", "remove", "delete"])
    async def test_a_change_meanwhile_is_the_newest(self, world: World, users: Users, ben: User, change: str) -> None:
        group = await world.create("ada", *(["ben"] if change != "add" else []))
        hold = world.log.hold("read_memberships")
        loading = asyncio.create_task(users.load(ben))
        await hold.entered.wait()
        if change == "add":
            await world.add(group, "ada", "ben")
        elif change == "remove":
            await world.remove(group, "ada", "ben")
        else:
            await world.delete_conversation(group, "ada")
        changed = world.hub.tail.position
        await world.create("ada")
        hold.released.set()
        await loading
        assert ben.changed_at == changed

    async def test_is_done_once_for_all_who_wait(self, world: World, users: Users, ben: User) -> None:
        await asyncio.gather(*(users.load(ben) for _ in range(10)))
        assert world.log.reads.count("read_memberships") == 1

    async def test_goes_on_with_another_when_the_reader_is_cancelled(
        self, world: World, users: Users, ben: User
    ) -> None:
        group = await world.create("ada", "ben")
        hold = world.log.hold("read_memberships")
        first, second = asyncio.create_task(users.load(ben)), asyncio.create_task(users.load(ben))
        await hold.entered.wait()
        first.cancel()
        await second
        assert group in ben.conversations
        assert users._loading == set()

    async def test_a_member_hears_of_what_happens_meanwhile(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada")
        hold = world.log.hold("read_memberships")
        ben = sockets.open()
        await ben.push("hello", token="ben")
        await hold.entered.wait()
        await world.add(group, "ada", "ben")
        await world.send(group, "ada", "Hello")
        hold.released.set()
        await ben.assert_event("participant.added", userId="ben")
        await ben.assert_event("message.created", body="Hello")
        await world.send(group, "ada", "again")
        await ben.assert_event("message.created", body="again")
        await ben.assert_nothing_pushed(world.hub.tail)

    async def test_who_is_removed_meanwhile_hears_nothing_after_it(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        hold = world.log.hold("read_memberships")
        ben = sockets.open()
        await ben.push("hello", token="ben", cursor=str(world.hub.tail))
        await hold.entered.wait()
        await world.remove(group, "ada", "ben")
        await world.send(group, "ada", "secret")
        hold.released.set()
        await ben.assert_event("participant.removed", userId="ben")
        await world.send(group, "ada", "secret")
        await ben.assert_nothing_pushed(world.hub.tail)

    async def test_who_comes_back_is_not_live_before_the_tail_is_where_his_memberships_are(
        self, world: World, sockets: Sockets
    ) -> None:
        """They are read again in the middle of the stream, and already name what happens further on."""
        group, other = await world.create("ada", "ben"), await world.create("ada")
        ben = await sockets.live("ben")
        with world.unheard() as held:
            await world.remove(group, "ada", "ben")
            await world.add(group, "ada", "ben")
            await world.send(other, "ada", "before his time")
            await world.add(other, "ada", "ben")
        (user,) = world.hub._users._users.values()
        for committed in held:
            world.hub.apply(committed)
            await until(lambda: user.loaded)
            for _ in range(20):
                await asyncio.sleep(0)
        await ben.assert_event("participant.removed", userId="ben")
        await ben.assert_event("participant.added", userId="ben")
        await ben.assert_event("participant.added", userId="ben")
        await ben.assert_nothing_pushed(world.hub.tail)


class TestLingering:
    async def test_saves_reading_for_a_minute(self, world: World, users: Users, ben: User) -> None:
        group = await world.create("ada", "ben")
        await users.load(ben)
        users.release(ben, world.clock.monotonic())
        world.pass_time(59)
        assert users.hold(TENANT, UserId("ben")) is ben
        users.release(ben, world.clock.monotonic())
        world.pass_time(59)
        assert group in ben.conversations
        world.pass_time(1)
        assert not ben.loaded
        assert users._members == {}
        assert users._users == {}

    async def test_keeps_up_with_what_happens(self, world: World, users: Users, ben: User) -> None:
        group = await world.create("ada", "ben")
        await users.load(ben)
        users.release(ben, world.clock.monotonic())
        await world.remove(group, "ada", "ben")
        assert users.hold(TENANT, UserId("ben")).conversations == {}

    async def test_ends_for_those_first_who_left_first(self, world: World, users: Users, ben: User) -> None:
        cem = users.hold(TENANT, UserId("cem"))
        users.release(cem, world.clock.monotonic())
        world.pass_time(30)
        users.release(ben, world.clock.monotonic())
        world.pass_time(31)
        assert list(users._users.values()) == [ben]


class TestMembers:
    async def test_nothing_is_kept_of_conversations_that_nobody_listens_to(self, world: World, users: Users) -> None:
        await world.create("ada", "ben")
        assert users._members == {}

    async def test_an_ended_conversation_leaves_nothing_behind(self, world: World, users: Users, ben: User) -> None:
        group = await world.create("ada", "ben")
        await users.load(ben)
        await world.delete_conversation(group, "ada")
        assert users._members == {}
