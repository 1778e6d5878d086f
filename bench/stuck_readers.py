"""The connections of ``stuck``: those who read and tell how long it took, and those who do not."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING

from bench.audience import PATH, Tally
from bench.loads import BODY
from bench.socket_client import Socket
from bench.stamped import StampedTransport, connect_stamped

if TYPE_CHECKING:
    from bench.servers import Service

_LITTLE, _MUCH = 4_096, 1_048_576
_ID = b'"clientMessageId":"'
_SEND = '{"op":"send","id":"1","conversationId":"%s","clientMessageId":"%d-%d","body":"' + BODY + '"}'


class Other:
    """A connection that reads, and notes how long each event took; ``acknowledged`` counts what it has sent itself."""

    def __init__(self) -> None:
        self.events = Tally()
        self.acknowledged = Tally()
        self.latencies: list[float] = []
        self._socket = Socket(self._take)
        self._transport: StampedTransport | None = None
        self._is_live = asyncio.Event()

    async def join(self, service: Service, user: str) -> None:
        """Connect and wait until it is live."""
        self._transport, _ = await connect_stamped(self._socket, service.port)
        await self._socket.shake_hands(PATH, service.token(user))
        self._socket.send(b'{"op":"hello"}')
        await self._is_live.wait()

    def send(self, conversation: str, number: int) -> None:
        """Send a message that tells when it was sent."""
        self._socket.send((_SEND % (conversation, time.time_ns(), number)).encode())

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _take(self, text: bytes) -> None:
        if text.startswith(b'{"op":"event"'):
            start = text.find(_ID) + len(_ID)
            if start >= len(_ID):
                assert self._transport is not None
                self.latencies.append(self._transport.came_at - int(text[start : text.find(b"-", start)]) / 1e9)
            self.events.add()
        elif text.startswith(b'{"op":"ok"'):
            self.acknowledged.add()
        elif text.startswith(b'{"op":"live"'):
            self._is_live.set()
        elif text.startswith(b'{"op":"ping"'):
            self._socket.send(b'{"op":"pong"}')


class Mute:
    """A connection that is live and then reads nothing, until it is told to read on."""

    def __init__(self) -> None:
        self.events = Tally()
        self._socket = Socket(self._take)
        self._connection = socket.socket()
        self._is_live = asyncio.Event()

    async def join(self, service: Service, user: str) -> None:
        """Connect with the least that the system buffers, become live, and stop reading."""
        loop = asyncio.get_running_loop()
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _LITTLE)
        self._connection.settimeout(0)
        await loop.sock_connect(self._connection, ("127.0.0.1", service.port))
        await loop.create_connection(lambda: self._socket, sock=self._connection)
        await self._socket.shake_hands(PATH, service.token(user))
        self._socket.send(b'{"op":"hello"}')
        await self._is_live.wait()
        self._socket.pause_reading()

    async def read_on(self, count: int) -> None:
        """Read so many events: all that were appended meanwhile."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _MUCH)
        self._socket.resume_reading()
        await self.events.reach(count)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _take(self, text: bytes) -> None:
        if text.startswith(b'{"op":"event"'):
            self.events.add()
        elif text.startswith(b'{"op":"live"'):
            self._is_live.set()
        elif text.startswith(b'{"op":"ping"'):
            self._socket.send(b'{"op":"pong"}')
