"""What only several instances can show: one dies and another goes on, and neither Redis nor its silence matters."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.e2e.client import Client
from tests.e2e.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.e2e.client import Socket
    from tests.servers.postgres import PostgresServer
    from tests.servers.valkey import ValkeyServer

REPLACED = 4504
FLOOD = 200
BEGINNING = "0-00000000"


class People:
    """Clients of chosen instances."""

    def __init__(self, cluster: Cluster, stack: AsyncExitStack) -> None:
        self.cluster = cluster
        self._stack = stack

    async def at(self, number: int, user: str, *, remembering: Client | None = None) -> Client:
        """Let a user talk to one of the instances; he may remember what another client of his learned."""
        address = self.cluster.instances[number].service.base_url
        session = remembering.session if remembering else None
        return await self._stack.enter_async_context(Client(address, self.cluster.token(user), session=session))


@pytest.fixture
async def cluster(
    tmp_path: Path, postgres_url: str, postgres_server: PostgresServer, valkey_url: str, valkey_server: ValkeyServer
) -> AsyncGenerator[Cluster]:
    del valkey_url  # Emptied for this test.
    async with Cluster(
        tmp_path / "data", postgres=postgres_server, database_url=postgres_url, valkey=valkey_server, size=2
    ) as cluster:
        yield cluster


@pytest.fixture
async def people(cluster: Cluster) -> AsyncGenerator[People]:
    async with AsyncExitStack() as stack:
        yield People(cluster, stack)


def bodies(*sockets: Socket) -> list[str]:
    """List the texts of the messages that came."""
    events = [event for socket in sockets for event in socket.events if event.type == "message.created"]
    return [msgspec.json.decode(event.data)["message"]["body"] for event in events]


@pytest.mark.parametrize("flushed", [False, True])
async def test_a_client_of_a_killed_instance_resumes_on_another(people: People, *, flushed: bool) -> None:
    """With Redis flushed in between the session is another, and the client's own cursor leads on all the same."""
    ann, there = await people.at(1, "ann"), await people.at(0, "bob")
    conversation_id = await ann.create("bob")
    async with there.connect(cursor=BEGINNING) as before:
        await ann.send(conversation_id, "Seen")
        await before.reach(await ann.read_end())
        await before.ack()
        await before.ping()
        await people.cluster.instances[0].kill()
        await before.find_close()
    missed = [await ann.send(conversation_id, f"Missed {number}") for number in range(3)]
    if flushed:
        people.cluster.valkey.empty()
    here = await people.at(1, "bob", remembering=there)
    async with here.connect() as after:
        assert after.welcome.resumed is not flushed
        await after.find_live()
        await ann.send(conversation_id, "Live")
        await after.reach(await ann.read_end())
    assert bodies(before, after) == ["Seen", *(each["body"] for each in missed), "Live"]


async def test_a_session_resumed_elsewhere_ends_its_old_socket_at_once(people: People) -> None:
    await people.cluster.find_ready(10)
    here, there = await people.at(0, "ann"), await people.at(1, "ann")
    async with here.connect() as old, there.connect(resume_token=old.welcome.resume_token) as new:
        assert new.welcome.resumed
        assert await old.find_close() == REPLACED
        await new.ping()


async def test_signals_reach_the_sockets_of_other_instances(people: People) -> None:
    await people.cluster.find_ready(10)
    ann, bob = await people.at(0, "ann"), await people.at(1, "bob")
    conversation_id = await ann.create("bob")
    async with ann.connect(cursor=BEGINNING) as here, bob.connect(cursor=BEGINNING) as there:
        await here.find_live()
        await there.find_live()
        message = await ann.send(conversation_id, "Hello")
        await ann.post(f"/v1/conversations/{conversation_id}/read", {"seq": message["seq"]})
        signal = await there.find_signal()
        assert (signal.type, signal.user_id, signal.seq) == ("read", "ann", message["seq"])
        assert bodies(there) == ["Hello"], "a signal comes after what it speaks of"


async def test_instances_deliver_without_redis(
    tmp_path: Path, postgres_url: str, postgres_server: PostgresServer, valkey_server: ValkeyServer
) -> None:
    """They look at the database often enough, and know nothing to complain of."""
    silent = {"REDIS_URL": ""}
    cluster = Cluster(
        tmp_path / "data",
        postgres=postgres_server,
        database_url=postgres_url,
        valkey=valkey_server,
        size=2,
        environ=silent,
    )
    async with cluster, AsyncExitStack() as stack:
        people = People(cluster, stack)
        ann, bob = await people.at(0, "ann"), await people.at(1, "bob")
        await cluster.find_ready(10)
        conversation_id = await ann.create("bob")
        async with bob.connect(cursor=BEGINNING) as socket:
            await socket.assert_pushed("conversation.created")
            await socket.find_live()
            for number in range(5):
                await ann.send(conversation_id, str(number))
                await socket.assert_pushed("message.created", body=str(number))
        poll = asyncio.create_task(bob.get("/v1/sync", cursor=await bob.read_end(), waitMs=10_000))
        await ann.send(conversation_id, "Wake up")
        assert [each["data"]["message"]["body"] for each in (await poll).json()["events"]] == ["Wake up"]


async def test_a_lost_redis_is_told_and_costs_nothing_but_time(people: People) -> None:
    ann, bob = await people.at(0, "ann"), await people.at(1, "bob")
    conversation_id = await ann.create("bob")
    cluster = people.cluster
    await cluster.find_ready(10)
    async with bob.connect(cursor=BEGINNING) as socket:
        await socket.assert_pushed("conversation.created")
        cluster.valkey.kill()
        await cluster.find_told("bus_silent", 10)
        await ann.send(conversation_id, "Without")
        await socket.assert_pushed("message.created", body="Without")
        async with (await people.at(0, "eve")).connect() as newcomer:
            await newcomer.find_live()
        cluster.valkey.start()
        await cluster.find_ready(10)
        await ann.send(conversation_id, "With")
        await socket.assert_pushed("message.created", body="With")


async def test_whoever_is_removed_gets_nothing_after_it_while_the_bus_stands_still(people: People) -> None:
    """Ann floods on one instance, Ann removes Bob on the other; no instance hears of the other but by the database."""
    cluster = people.cluster
    await cluster.find_ready(10)
    floods, removes = await people.at(0, "ann"), await people.at(1, "ann")
    conversation_id = await floods.create("bob", "cid")
    path = f"/v1/conversations/{conversation_id}"
    bobs = [await people.at(number, "bob") for number in (0, 1)]
    cid = await people.at(0, "cid")
    async with (
        bobs[0].connect(cursor=BEGINNING) as first,
        bobs[1].connect(cursor=BEGINNING) as second,
        cid.connect(cursor=BEGINNING) as whole,
    ):
        for socket in (first, second, whole):
            await socket.find_live()
        for instance in cluster.instances:
            instance.redis.subscriptions.hold()
        async with asyncio.TaskGroup() as tasks:
            flood = tasks.create_task(_flood(floods, conversation_id))
            await whole.find_events(20)
            assert (await removes.delete(f"{path}/participants/bob")).status_code == 204
            for bob in bobs:
                assert (await bob.get(f"{path}/messages")).status_code == 404
                assert (await bob.get("/v1/unread")).json() == {"total": 0, "conversations": 0}
                assert (await bob.get("/v1/conversations")).json()["conversations"] == []
            await flood
        end = await floods.read_end()
        await whole.reach(end)
        removal = next(event for event in whole.events if event.type == "participant.removed")
        assert bodies(whole) == [str(number) for number in range(FLOOD)]
        for socket in (first, second):
            await socket.reach(end)
            assert socket.events == whole.events[: whole.events.index(removal) + 1], "the removal is his last event"
    for bob in bobs:
        replayed = (await bob.get("/v1/sync", cursor=BEGINNING, limit=500)).json()
        assert [event["cursor"] for event in replayed["events"]] == [removal.cursor]


async def _flood(client: Client, conversation_id: str) -> None:
    for number in range(FLOOD):
        await client.send(conversation_id, str(number))
