"""A socket that is a pair of queues: nothing is buffered between the hub and the client but what a test allows."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sanctum_messaging.hub.opening import Handshake
from sanctum_messaging.hub.transport import DisconnectedError
from tests.hub_client import Client, ClosedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.hub.hub import WebSocketHub


class RecordingTransport:
    """The hub's end. ``stall`` makes it a peer that does not read."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[str | int] = asyncio.Queue()
        self.received: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.handed_over: list[bytes] = []
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.stalled = asyncio.Event()
        """Set once a frame waits for the peer to read."""

    def stall(self) -> None:
        self._flowing.clear()
        self.stalled.clear()

    def flow(self) -> None:
        self._flowing.set()

    async def receive(self) -> str | bytes:
        message = await self.received.get()
        if message is None:
            raise DisconnectedError
        return message

    async def send(self, frame: bytes) -> None:
        if not self._flowing.is_set():
            self.stalled.set()
            await self._flowing.wait()
        self.handed_over.append(frame)
        self.sent.put_nowait(frame.decode())

    async def close(self, code: int, reason: str) -> None:
        if not self._flowing.is_set():
            await self._flowing.wait()
        self.sent.put_nowait(code)


class MemoryLink:
    """The client's end."""

    def __init__(self, transport: RecordingTransport) -> None:
        self.transport = transport

    async def write(self, message: str | bytes) -> None:
        self.transport.received.put_nowait(message)

    async def read(self) -> str:
        message = await self.transport.sent.get()
        if isinstance(message, int):
            self.transport.sent.put_nowait(message)
            raise ClosedError(message)
        return message


class Socket(Client):
    """A client whose socket a test holds in its hand."""

    def __init__(self, transport: RecordingTransport) -> None:
        super().__init__(MemoryLink(transport))
        self.transport = transport
        self.served: asyncio.Task[None] | None = None

    async def vanish(self) -> None:
        """Go away without a word, and wait until the hub has noticed."""
        self.transport.received.put_nowait(None)
        self.transport.flow()
        if self.served is not None:
            await asyncio.wait([self.served])
        # Whoever still reads from it learns that it is over.
        self.transport.sent.put_nowait(1006)


class Sockets:
    """Opens sockets to a hub; all are gone at the end."""

    def __init__(self, hub: WebSocketHub, tasks: asyncio.TaskGroup) -> None:
        self.hub = hub
        self._tasks = tasks
        self._open: list[Socket] = []

    def open(self, handshake: Handshake | None = None) -> Socket:
        """Open a socket and say nothing yet."""
        socket = Socket(RecordingTransport())
        socket.served = self._tasks.create_task(self.hub.serve(socket.transport, handshake or Handshake()))
        self._open.append(socket)
        return socket

    async def connect(self, name: str, **hello: object) -> Socket:
        """Open a socket and the stream of a user."""
        socket = self.open()
        await socket.hello(token=name, **hello)
        return socket

    async def live(self, name: str, **hello: object) -> Socket:
        """Open a stream and wait until it is live."""
        socket = await self.connect(name, **hello)
        await socket.assert_pushed("live")
        return socket

    async def vanish(self) -> None:
        for socket in self._open:
            await socket.vanish()


@asynccontextmanager
async def open_sockets(hub: WebSocketHub) -> AsyncGenerator[Sockets]:
    async with asyncio.TaskGroup() as tasks:
        sockets = Sockets(hub, tasks)
        try:
            yield sockets
        finally:
            await sockets.vanish()
