"""Clients that come all at once, in a process of their own: ``python -m bench.herd PORT``.

What is measured is the server, so these do the least that a client can: bytes that were made before, one loop around
``epoll``, and two looks at the clock for each. Whatever is asked about what they were sent is asked afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec

from bench.socket_client import build_handshake, frame_text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

_PATH = "/v1/ws"
_END_OF_HEAD = b"\r\n\r\n"
_LIVE = b'{"op":"live"'
_EVENT = b'{"op":"event"'
_WELCOME = b'{"op":"welcome"'
_PATIENCE_SECONDS = 60
_MOST_BYTES = 256 * 1024


class Member(msgspec.Struct):
    """One client, before it comes. Without a ``hello`` it has arrived with the answer to its handshake."""

    token: str = ""
    hello: str = ""


class Arrival(msgspec.Struct):
    """When its handshake was answered and when it was live, in seconds since the first of all began to connect."""

    opened: float
    live: float
    events: int
    welcome: dict[str, Any]


class Herd(msgspec.Struct):
    """How all of them came, and what processor time that took of their own process."""

    arrivals: list[Arrival]
    cpu_seconds: float

    @property
    def waited(self) -> list[float]:
        """How long each was kept waiting after the answer to its handshake."""
        return [each.live - each.opened for each in self.arrivals]

    @property
    def last_opened(self) -> float:
        """When the last handshake was answered."""
        return max(each.opened for each in self.arrivals)

    @property
    def last_live(self) -> float:
        """When the last one was live."""
        return max(each.live for each in self.arrivals)


@contextlib.asynccontextmanager
async def come(port: int, members: Sequence[Member]) -> AsyncGenerator[Herd]:
    """Have all of them come; they stay until the context is left."""
    command = (sys.executable, "-m", "bench.herd", str(port))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=1 << 26)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(members) + b"\n")
        async with asyncio.timeout(_PATIENCE_SECONDS):
            yield msgspec.json.decode(await process.stdout.readline(), type=Herd)
    finally:
        process.stdin.close()
        await process.wait()


class _Client:
    """What one of them has sent and heard."""

    def __init__(self, member: Member) -> None:
        self.handshake = build_handshake(_PATH, member.token)
        self.hello = frame_text(member.hello.encode()) if member.hello else b""
        self.socket = socket.socket()
        self.heard = b""
        self.opened = self.live = 0.0

    def begin(self, port: int) -> None:
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.send(self.handshake)

    def hear(self) -> bool:
        """Take what came; true once it is live."""
        data = self.socket.recv(_MOST_BYTES)
        self.heard += data
        if not self.opened:
            if not data or not self.heard.startswith(b"HTTP/1.1 101 "[: len(self.heard)]):
                raise ConnectionError(self.heard)
            if _END_OF_HEAD not in self.heard:
                return False
            self.opened = time.perf_counter()
            if self.hello:
                self.socket.send(self.hello)
            else:
                self.live = self.opened
        elif not data:
            raise ConnectionError(self.heard)
        elif _LIVE in self.heard[-len(data) - len(_LIVE) :]:
            self.live = time.perf_counter()
        return self.live > 0

    def tell(self, begun: float) -> Arrival:
        """Say how it came."""
        _, _, welcome = self.heard.partition(_WELCOME)
        known, _ = json.JSONDecoder().raw_decode((_WELCOME + welcome).decode("latin-1")) if welcome else ({}, 0)
        return Arrival(self.opened - begun, self.live - begun, self.heard.count(_EVENT), known)


def main() -> None:
    """Let all come whom standard input names, tell how, and stay until it ends."""
    port = int(sys.argv[1])
    clients = [_Client(each) for each in msgspec.json.decode(sys.stdin.buffer.readline(), type=list[Member])]
    cpu, begun = time.process_time(), time.perf_counter()
    _let_come(clients, port)
    cpu = time.process_time() - cpu
    herd = Herd([each.tell(begun) for each in clients], cpu)
    sys.stdout.buffer.write(msgspec.json.encode(herd) + b"\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()


def _let_come(clients: Sequence[_Client], port: int) -> None:
    waiting = {each.socket.fileno(): each for each in clients}
    poll = select.epoll()
    for number, each in waiting.items():
        each.begin(port)
        poll.register(number, select.EPOLLIN)
    while waiting:
        for number, _ in poll.poll():
            if waiting[number].hear():
                poll.unregister(number)
                del waiting[number]


if __name__ == "__main__":
    main()
