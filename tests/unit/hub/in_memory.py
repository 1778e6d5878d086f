"""A socket in memory: nothing is buffered between the hub and the client but what a test allows."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sanctum_messaging.hub.connection import Connection
from sanctum_messaging.hub.opening import Handshake
from sanctum_messaging.protocol.framing import payloads_of
from tests.hub_client import Client, ClosedError, until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.hub.hub import WebSocketHub
    from sanctum_messaging.ports.transport import Listener


class RecordingTransport:
    """The hub's end. ``stall`` makes it a peer that does not read: what it is written next fills it."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[str | int] = asyncio.Queue()
        self.handed_over: list[bytes] = []
        self.writes: list[int] = []
        """How many frames each write held."""
        self.is_full = False
        self.is_reading = True
        self.stalled = asyncio.Event()
        """Set once something waits for the peer to read."""
        self.gone = asyncio.Event()
        """Set once the hub is told that there is no peer any more, or has closed."""
        self._unread: list[bytes | int] = []
        self._stalls = False
        self._arrived: deque[str | bytes] = deque()
        self._listener: Listener | None = None

    def start(self, listener: Listener) -> None:
        self._listener = listener

    # What the peer does.

    def stall(self) -> None:
        self._stalls = True
        self.stalled.clear()

    def flow(self) -> None:
        self._stalls = False
        self.sip()

    def sip(self) -> None:
        """Read what is there, and nothing after it if the peer does not read."""
        self.is_full = False
        unread, self._unread = self._unread, []
        for each in unread:
            self._give(each)
        if self._listener is not None and not self.gone.is_set():
            self._listener.writable()

    def say(self, message: str | bytes) -> None:
        self._arrived.append(message)
        self._tell()

    def vanish(self) -> None:
        if not self.gone.is_set():
            self.gone.set()
            assert self._listener is not None
            self._listener.disconnected(None)

    @property
    def unheard(self) -> int:
        """Messages that the hub does not want to hear yet."""
        return len(self._arrived)

    # What the hub does.

    @property
    def unsent(self) -> int:
        return sum(len(each) for each in self._unread if isinstance(each, bytes))

    def write(self, frames: bytes) -> None:
        messages = list(payloads_of(frames))
        self.writes.append(len(messages))
        for message in messages:
            self._put(message)

    def close(self, code: int, reason: str) -> None:
        del reason
        self._put(code)
        self.gone.set()

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True
        self._tell()

    def _tell(self) -> None:
        while self._arrived and self.is_reading and not self.gone.is_set() and self._listener is not None:
            self._listener.message_received(self._arrived.popleft())

    def _put(self, each: bytes | int) -> None:
        if isinstance(each, bytes):
            self.handed_over.append(each)
        if self._stalls:
            self._unread.append(each)
            self.is_full = True
            self.stalled.set()
        else:
            self._give(each)

    def _give(self, each: bytes | int) -> None:
        self.sent.put_nowait(each.decode() if isinstance(each, bytes) else each)


class MemoryLink:
    """The client's end."""

    def __init__(self, transport: RecordingTransport) -> None:
        self.transport = transport

    async def write(self, message: str | bytes) -> None:
        self.transport.say(message)

    async def read(self) -> str:
        message = await self.transport.sent.get()
        if isinstance(message, int):
            self.transport.sent.put_nowait(message)
            raise ClosedError(message)
        return message


class Socket(Client):
    """A client whose socket a test holds in its hand."""

    def __init__(self, transport: RecordingTransport, hub: WebSocketHub) -> None:
        super().__init__(MemoryLink(transport))
        self.transport = transport
        self._hub = hub
        self.connection: Connection | None = None

    async def vanish(self) -> None:
        """Go away without a word, and wait until the hub has noticed."""
        self.transport.vanish()
        self.transport.flow()
        await self.over()
        # Whoever still reads from it learns that it is over.
        self.transport.sent.put_nowait(1006)

    async def over(self) -> None:
        """Wait until the hub has forgotten the connection."""
        await until(lambda: self.connection not in self._hub._parts.registry.connections)


class Sockets:
    """Opens sockets to a hub; all are gone at the end."""

    def __init__(self, hub: WebSocketHub) -> None:
        self.hub = hub
        self._open: list[Socket] = []

    def open(self, handshake: Handshake | None = None) -> Socket:
        """Open a socket and say nothing yet."""
        socket = Socket(RecordingTransport(), self.hub)
        connection = self.hub.open(socket.transport, handshake or Handshake())
        assert isinstance(connection, Connection)
        socket.connection = connection
        socket.transport.start(connection)
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
    sockets = Sockets(hub)
    try:
        yield sockets
    finally:
        await sockets.vanish()
