"""Two hundred readers of one conversation, who count what they are sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from bench.socket_client import Socket

if TYPE_CHECKING:
    from bench.servers import Server, Service

PATH = "/v1/ws"
_WAIT_SECONDS = 30
_AT_ONCE = 20
"""Connections that are opened together."""


class Tally:
    """A count that can be waited for."""

    def __init__(self) -> None:
        """Begin at nought."""
        self.count = 0
        self._wanted = 0
        self._reached = asyncio.Event()

    def add(self) -> None:
        """Count one more."""
        self.count += 1
        if self.count == self._wanted:
            self._reached.set()

    async def reach(self, count: int) -> None:
        """Wait until so many were counted."""
        self._wanted = count
        self._reached.clear()
        if self.count < count:
            await self._reached.wait()


class Audience:
    """Open sockets on one server. ``received`` counts their events, heartbeats are answered."""

    def __init__(self) -> None:
        """``join`` and ``join_baseline`` open the sockets."""
        self._events = Tally()
        self._live = Tally()
        self.sample = b""
        """One of the events, so that a baseline can send something of its size."""
        self._sockets: list[Socket] = []

    @classmethod
    async def join(cls, service: Service, users: list[str]) -> Self:
        """Connect each of the users and wait until all are live."""
        return await cls.join_with(service, [service.token(user) for user in users])

    @classmethod
    async def join_with(cls, server: Server, tokens: list[str]) -> Self:
        """Connect with each of these tokens and wait until all are live."""
        audience = cls()
        for first in range(0, len(tokens), _AT_ONCE):
            await asyncio.gather(*(audience._greet(server, token) for token in tokens[first : first + _AT_ONCE]))
        async with asyncio.timeout(_WAIT_SECONDS):
            await audience._live.reach(len(tokens))
        return audience

    @classmethod
    async def join_baseline(cls, server: Server, count: int) -> Self:
        """Connect to the bare server, which asks nobody who he is."""
        audience = cls()
        for _ in range(count):
            await audience._open(server, "")
        return audience

    @classmethod
    async def join_loop(cls, port: int, count: int) -> Self:
        """Connect to a loop of plain sends (``send_loop``)."""
        audience = cls()
        for _ in range(count):
            audience._sockets.append(await Socket.open_plain(port, on_text=audience._take_event))
        return audience

    def __len__(self) -> int:
        return len(self._sockets)

    @property
    def received(self) -> int:
        """How many events all together were sent."""
        return self._events.count

    async def wait_for(self, count: int) -> None:
        """Wait until so many events were received, by all together since the beginning; more are a fault."""
        async with asyncio.timeout(_WAIT_SECONDS):
            await self._events.reach(count)
        assert self.received == count, f"{self.received - count} events too many"

    def say(self, text: bytes) -> None:
        """Have one of them send a frame."""
        self._sockets[0].send(text)

    def leave(self) -> None:
        """Hang up."""
        for socket in self._sockets:
            socket.close()

    async def _greet(self, server: Server, token: str) -> None:
        (await self._open(server, token)).send(b'{"op":"hello"}')

    async def _open(self, server: Server, token: str) -> Socket:
        def take(text: bytes) -> None:
            self._take(socket, text)

        socket = await Socket.open(server.port, PATH, token=token, on_text=take)
        self._sockets.append(socket)
        return socket

    def _take(self, socket: Socket, text: bytes) -> None:
        if text.startswith(b'{"op":"event"'):
            self._take_event(text)
        elif text.startswith(b'{"op":"ping"'):
            socket.send(b'{"op":"pong"}')
        elif text.startswith(b'{"op":"live"'):
            self._live.add()

    def _take_event(self, text: bytes) -> None:
        self.sample = text
        self._events.add()
