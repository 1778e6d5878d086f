"""The hub on real sockets: uvicorn in this process, and clients that come over the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from sanctum_messaging.hub.endpoints.asgi import WebSocketEndpoint
from sanctum_messaging.server.intake import Intake
from sanctum_messaging.server.server import create_server
from tests.hub_client import Client, ClosedError
from tests.hub_world import World, running_world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from websockets.datastructures import HeadersLike

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from sanctum_messaging.hub.hub import WebSocketHub
    from tests.conftest import HandClock

SMALL_BUFFER = 4_096
"""What the kernel may hold for a connection, so that a reader who stops is noticed after kilobytes, not megabytes."""


class WebSocketLink:
    """A client's end that is a real socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def write(self, message: str | bytes) -> None:
        await self.connection.send(message)

    async def read(self) -> str:
        try:
            message = await self.connection.recv()
        except ConnectionClosed as closed:
            raise ClosedError(closed.rcvd.code if closed.rcvd else 1006) from None
        assert isinstance(message, str)
        return message


class Served:
    """A hub on an address."""

    def __init__(self, world: World, hub: WebSocketHub, port: int) -> None:
        self.world = world
        self.hub = hub
        self.port = port
        self._connections: list[ClientConnection] = []

    async def close(self) -> None:
        """Close the clients' ends."""
        for connection in self._connections:
            connection.transport.abort()
            await connection.wait_closed()

    async def open(self, *protocols: str, headers: HeadersLike | None = None, query: str = "") -> Client:
        """Shake hands; raises ``websockets.exceptions.InvalidStatus`` if that is refused."""
        small = _small_socket(self.port)
        try:
            connection = await self._connect(protocols, headers, query, small)
        except InvalidStatus:
            small.close()
            raise
        self._connections.append(connection)
        return Client(WebSocketLink(connection))

    async def _connect(
        self, protocols: Sequence[str], headers: HeadersLike | None, query: str, small: socket.socket
    ) -> ClientConnection:
        return await connect(
            f"ws://127.0.0.1:{self.port}/v1/ws{query}",
            additional_headers=headers,
            subprotocols=[Subprotocol(each) for each in protocols] or None,
            compression=None,
            ping_interval=None,
            max_queue=1,
            sock=small,
        )

    async def connect(self, name: str, **hello: object) -> Client:
        """Open a socket and the stream of a user."""
        client = await self.open()
        await client.hello(token=name, **hello)
        return client

    async def live(self, name: str, **hello: object) -> Client:
        """Open a stream and wait until it is live."""
        client = await self.connect(name, **hello)
        await client.assert_pushed("live")
        return client


def _small_socket(port: int) -> socket.socket:
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    small.connect(("127.0.0.1", port))
    small.setblocking(False)  # noqa: FBT003 - the one parameter it has
    return small


@contextlib.asynccontextmanager
async def served(world: World, hub: WebSocketHub) -> AsyncGenerator[Served]:
    """Serve a hub on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
    server = create_server(WebSocketEndpoint(hub), Intake(), grace_seconds=1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(sockets=[listener]))
        service = Served(world, hub, listener.getsockname()[1])
        try:
            yield service
        finally:
            await hub.drain()
            await service.close()
            server.should_exit = True


@contextlib.asynccontextmanager
async def served_world(
    store: SQLiteStore,
    database: Database,
    clock: HandClock,
    **settings: Any,  # noqa: ANN401 - any setting
) -> AsyncGenerator[Served]:
    """Serve a world in real time."""
    times = {"monotonic": time.monotonic, "tick_seconds": 0.02, **settings}
    async with running_world(World(store, database, clock, **times)) as world, served(world, world.hub) as service:
        yield service
