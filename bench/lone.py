"""How long one's own message takes while a burst goes to 500 others, against when nothing else goes on.

The hub alone, as in ``bursts``. The 500 read without looking at what comes, so that they are not what is waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.audience import PATH
from bench.bursts import EVENTS, READERS
from bench.figures import Figure
from bench.hub_server import LONE, LONE_ROOM, ROOM
from bench.measuring import Run, median, millis
from bench.servers import serve_module
from bench.socket_client import Socket
from bench.stamped import StampedTransport, connect_stamped
from sanctum_messaging.server.limits import raise_descriptor_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.servers import Server

_BURSTS = 4
"""In each round."""
_WAIT_SECONDS = 30
_PAUSE_SECONDS = 0.002
_SEND = '{"op":"send","id":"1","conversationId":"%s","clientMessageId":"c1","body":"%d"}'


class Reader(Socket):
    """A connection that only counts bytes once it is live."""

    def __init__(self, came: Callable[[int], None]) -> None:
        super().__init__(self._take)
        self._came = came
        self._is_live = asyncio.Event()

    async def join(self, port: int, user: str) -> None:
        """Connect and wait until it is live."""
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", port)
        await self.shake_hands(PATH, user)
        self.send(b'{"op":"hello"}')
        await self._is_live.wait()

    def data_received(self, data: bytes) -> None:
        """Look at nothing of what comes but its length."""
        if self._is_live.is_set():
            self._came(len(data))
        else:
            super().data_received(data)

    def _take(self, text: bytes) -> None:
        if text.startswith(b'{"op":"live"'):
            self._is_live.set()


class Lone:
    """Somebody who hears nobody but himself; by the system's clock."""

    def __init__(self) -> None:
        self.sample = b""
        self._socket = Socket(self._take)
        self._transport: StampedTransport | None = None
        self._heard = asyncio.Event()

    async def join(self, port: int) -> None:
        """Connect and wait until it is live."""
        self._transport, _ = await connect_stamped(self._socket, port)
        await self._socket.shake_hands(PATH, LONE)
        self._heard.clear()
        self._socket.send(b'{"op":"hello"}')
        await self._heard.wait()

    async def say(self) -> float:
        """Send a message; return how long it took until it was back."""
        assert self._transport is not None
        self._heard.clear()
        sent = time.time()
        self._socket.send((_SEND % (LONE_ROOM, 1)).encode())
        await self._heard.wait()
        return self._transport.came_at - sent

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _take(self, text: bytes) -> None:
        if text.startswith(b'{"op":"ping"'):
            self._socket.send(b'{"op":"pong"}')
        elif text.startswith((b'{"op":"event"', b'{"op":"live"')):
            self.sample = text
            self._heard.set()


class Crowd:
    """Those to whom the bursts go."""

    def __init__(self) -> None:
        self._bytes = self._wanted = 0
        self._reached = asyncio.Event()
        self._readers = [Reader(self._take) for _ in range(READERS)]

    async def join(self, server: Server) -> None:
        """Connect them all."""
        for number, reader in enumerate(self._readers):
            await reader.join(server.port, f"reader-{number}")

    async def burst(self, least: int) -> float:
        """Have events appended, of so many bytes each or a few more; return how long it took until all had them."""
        self._wanted = self._bytes + EVENTS * READERS * least
        self._reached.clear()
        begun = time.perf_counter()
        self._readers[0].send((_SEND % (ROOM, EVENTS)).encode())
        async with asyncio.timeout(_WAIT_SECONDS):
            await self._reached.wait()
        return time.perf_counter() - begun

    def close(self) -> None:
        """Hang up."""
        for reader in self._readers:
            reader.close()

    def _take(self, count: int) -> None:
        self._bytes += count
        if self._bytes >= self._wanted:
            self._reached.set()


async def measure(run: Run) -> list[Figure]:
    """Take turns: a burst, and as many messages without one."""
    raise_descriptor_limit()
    async with serve_module(run.folder, "bench.hub_server") as hub:
        crowd, lone = Crowd(), Lone()
        await lone.join(hub.port)
        await crowd.join(hub)
        await lone.say()
        await crowd.burst(len(lone.sample))
        rounds = [await _take_turns(crowd, lone) for _ in range(_BURSTS * run.rounds)]
        crowd.close()
        lone.close()
    return _figures(rounds)


async def _take_turns(crowd: Crowd, lone: Lone) -> tuple[float, float, float]:
    """Return the longest wait during a burst, how long that took, and the longest wait without one."""
    burst = asyncio.create_task(crowd.burst(len(lone.sample)))
    await asyncio.sleep(0)
    beside: list[float] = []
    while not burst.done():
        beside.append(await lone.say())
        await asyncio.sleep(_PAUSE_SECONDS)
    alone: list[float] = []
    while len(alone) < len(beside):
        alone.append(await lone.say())
        await asyncio.sleep(_PAUSE_SECONDS)
    return max(beside), await burst, max(alone)


def _figures(rounds: Sequence[tuple[float, float, float]]) -> list[Figure]:
    beside, burst, alone = (millis(median(column)) for column in zip(*rounds, strict=True))
    name = f"lone: longest of one's own messages, {EVENTS} events at once to {READERS}"
    return [
        Figure(name=name, value=beside, unit="ms", baseline=alone, against="as many messages, and no burst"),
        Figure(
            name=name, value=beside, unit="ms", baseline=burst, against="until all have the burst", at_most_ratio=0.25
        ),
    ]
