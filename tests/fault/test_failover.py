"""A standby takes over that lacks the newest commits, while every socket stays open.

What was acknowledged and is gone can't be brought back; what must not happen is that nobody is told. Each client gets
``resync diverged`` and then everything that the new primary's log holds behind it, and no position of the one log is
taken for the same position of the other.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import httpx2
import msgspec
import pytest

from tests.e2e.client import Client
from tests.e2e.cluster import Cluster
from tests.servers.postgres import open_postgres, open_standby
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.e2e.client import Socket
    from tests.servers.postgres import PostgresServer
    from tests.servers.valkey import ValkeyServer

BEGINNING = "0-00000000"
LOST = 10
RECOVERY_SECONDS = 20


class Pair:
    """A primary and a standby that follows it through a link."""

    def __init__(self, primary: PostgresServer, standby: PostgresServer, link: Proxy) -> None:
        self.primary = primary
        self.standby = standby
        self.link = link

    async def fail_over(self, cluster: Cluster) -> None:
        """Kill the primary, promote the standby, and have every instance find it where the primary was."""
        for instance in cluster.instances:
            instance.database.repoint(self.standby.port)
        await asyncio.to_thread(self.primary.kill)
        await asyncio.to_thread(self.standby.promote)
        for instance in cluster.instances:
            instance.database.cut()


@pytest.fixture
async def pair() -> AsyncGenerator[Pair]:
    with open_postgres() as primary:
        async with Proxy(primary.port) as link:
            with open_standby(primary, upstream=link.url(primary.url)) as standby:
                yield Pair(primary, standby, link)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "new", [LOST, pytest.param(LOST // 2, marks=pytest.mark.chaos), pytest.param(LOST * 2, marks=pytest.mark.chaos)]
)
async def test_a_failover_that_lost_commits_is_told_to_every_client(
    tmp_path: Path, pair: Pair, valkey_url: str, valkey_server: ValkeyServer, new: int
) -> None:
    """The new log ends before the place where the old one did, at it, or behind it."""
    del valkey_url  # Emptied for this test.
    database = pair.primary.url_of(pair.primary.create_database())
    cluster = Cluster(tmp_path / "data", postgres=pair.primary, database_url=database, valkey=valkey_server, size=2)
    async with cluster, AsyncExitStack() as stack:
        addresses = [each.service.base_url for each in cluster.instances]
        clients = [
            await stack.enter_async_context(Client(addresses[number], cluster.token(user)))
            for user in ("ann", "bob")
            for number in (0, 1)
        ]
        ann = clients[0]
        conversation_id = await ann.create("bob")
        await _send(ann, conversation_id, [f"kept {number}" for number in range(5)])
        sockets = [await stack.enter_async_context(each.connect(cursor=BEGINNING)) for each in clients]
        # In a thread, since what the standby follows goes through this loop.
        await asyncio.to_thread(pair.standby.wait_for, pair.primary)

        pair.link.hold()
        await _send(ann, conversation_id, [f"lost {number}" for number in range(LOST)])
        end = await ann.read_end()
        for socket in sockets:
            await socket.reach(end)
        await pair.fail_over(cluster)

        texts = [f"new {number}" for number in range(new)]
        await _send(ann, conversation_id, texts)
        for client, socket in zip(clients, sockets, strict=True):
            await _check_told(client, socket, conversation_id, texts)
        old = await ann.get("/v1/sync", cursor=end)
        assert (old.status_code, old.json()["code"]) == (410, "cursor_diverged")


async def _send(client: Client, conversation_id: str, texts: list[str]) -> None:
    """Send, and send again while the database is away."""
    for number, text in enumerate(texts):
        message = {"conversationId": conversation_id, "clientMessageId": f"{text.split()[0]}-{number}", "body": text}
        deadline = asyncio.get_running_loop().time() + RECOVERY_SECONDS
        while (answer := await client.post("/v1/messages", message)).status_code == httpx2.codes.SERVICE_UNAVAILABLE:
            assert asyncio.get_running_loop().time() < deadline, answer.text
            await asyncio.sleep(0.1)
        assert answer.status_code in {200, 201}, answer.text


async def _check_told(client: Client, socket: Socket, conversation_id: str, texts: list[str]) -> None:
    """Check that the client was told before it got anything of the new log, and that it got or can read all of it."""
    async with asyncio.timeout(RECOVERY_SECONDS):
        while not socket.resyncs:
            await socket.ping()
    assert [each.reason for each in socket.resyncs] == ["diverged"]
    await socket.reach(await client.read_end())
    seen = [
        msgspec.json.decode(each.data)["message"]["body"] for each in socket.events if each.type == "message.created"
    ]
    told = [text for text in seen if text.startswith("new")]
    assert told == texts[len(texts) - len(told) :]
    assert seen.index(told[0]) == 5 + LOST if told else len(seen) == 5 + LOST
    page = (await client.get(f"/v1/conversations/{conversation_id}/messages", limit=200)).json()
    assert [each["body"] for each in page["messages"]] == [*(f"kept {number}" for number in range(5)), *texts]
    resumed_at = int(socket.resyncs[0].cursor.partition("-")[0])
    missed = [each for each in page["messages"] if each["body"].startswith("new")][: len(texts) - len(told)]
    assert all(each["seq"] <= resumed_at for each in missed), "what the socket left out lies before its new cursor"
