"""What the Compose file describes, as processes: three instances on PostgreSQL and Valkey behind nginx."""

from __future__ import annotations

import re
import urllib.request
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.deploy.test_load_balancer import behind_nginx
from tests.e2e.client import Client
from tests.e2e.server import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.deploy.nginx import NginxServer

SENDS = 30
BEGINNING = "0-00000000"


@pytest.fixture
def instances(tmp_path: Path, postgres_url: str, valkey_url: str) -> Iterator[list[Service]]:
    """Start three, which share the key of development as instances share an identity provider."""
    environ = {"DATABASE_URL": postgres_url, "REDIS_URL": valkey_url}
    with ExitStack() as stack:
        yield [stack.enter_context(Service(tmp_path, environ=environ)) for _ in range(3)]


@pytest.fixture
def nginx(instances: list[Service]) -> Iterator[NginxServer]:
    with behind_nginx(*(each.port for each in instances)) as server:
        yield server


async def test_whoever_takes_a_message_it_reaches_sockets_on_all(nginx: NginxServer, instances: list[Service]) -> None:
    ann, bob = (instances[0].token(name) for name in ("ann", "bob"))
    async with Client(nginx.url, ann) as sender, AsyncExitStack() as stack:
        conversation = await sender.create("bob")
        clients = [await stack.enter_async_context(Client(nginx.url, bob)) for _ in instances]
        sockets = [await stack.enter_async_context(each.connect(cursor=BEGINNING)) for each in clients]
        sent = [await sender.send(conversation, f"Message {number}") for number in range(SENDS)]

        for socket in sockets:
            await socket.find_events(1 + SENDS)
            assert [event.seq for event in socket.events] == list(range(1, SENDS + 2))
    assert [message["seq"] for message in sent] == list(range(2, SENDS + 2))


async def test_who_was_on_a_killed_instance_goes_on_elsewhere(nginx: NginxServer, instances: list[Service]) -> None:
    async with Client(nginx.url, instances[0].token("ann")) as ann:
        conversation = await ann.create()
        async with ann.connect(cursor=BEGINNING) as socket:
            await socket.find_events(1)
            holder = next(each for each in instances if open_sockets(each))
            holder.kill()
            await socket.find_close()
        sent = [await ann.send(conversation, f"Message {number}") for number in range(SENDS)]
        async with ann.connect() as socket:
            await socket.find_events(SENDS)

            assert socket.welcome.resumed
            assert [event.seq for event in socket.events] == [message["seq"] for message in sent]


def open_sockets(instance: Service) -> int:
    """Ask an instance itself, past the load balancer."""
    with urllib.request.urlopen(instance.base_url + "/metrics") as answer:  # noqa: S310 - our own address
        found = re.search(r"^sanctum_connections (\d+)", answer.read().decode(), flags=re.MULTILINE)
    assert found is not None
    return int(found[1])
