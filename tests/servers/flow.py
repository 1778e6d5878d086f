"""One direction of a link between two programs, and what may happen to it."""

from __future__ import annotations

import asyncio
import math
import random

CHUNK = 65_536
_UNDER_WAY = 64
"""Chunks that a connection keeps in one direction before its sender has to wait."""


class Flow:
    """One direction of all connections. What is set applies at once, but for the latency of what is on its way."""

    def __init__(self) -> None:
        self.latency = self.jitter = 0.0
        """Seconds that everything takes on its way, and how many more it may, by chance. The order stays."""
        self.piece = CHUNK
        """The most bytes that are sent at a time. The system may join small ones, unless the link is slow as well."""
        self.bytes_per_second = math.inf
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        """Keep all that arrives, and the end of connections, as a network does that lost its way to the other side."""
        self._open.clear()

    def release(self) -> None:
        """Forward what was held and what comes."""
        self._open.set()

    def heal(self) -> None:
        """Forward everything, and at full speed."""
        self.latency, self.jitter, self.piece, self.bytes_per_second = 0.0, 0.0, CHUNK, math.inf
        self.release()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward what one end of a connection sends, and then its end. Raises ``OSError`` when either is broken."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._collect(reader, under_way))
            data = None
            while data != b"":
                due, data = await under_way.get()
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                await self._send(memoryview(data), writer)
            await self._open.wait()
            writer.write_eof()

    async def _collect(self, reader: asyncio.StreamReader, under_way: asyncio.Queue[tuple[float, bytes]]) -> None:
        data = None
        while data != b"":
            data = await reader.read(CHUNK)
            delay = self.latency + random.uniform(0, self.jitter)
            await under_way.put((asyncio.get_running_loop().time() + delay, data))

    async def _send(self, data: memoryview, writer: asyncio.StreamWriter) -> None:
        while data:
            # At most a fiftieth of a second's worth: a slow link is slow all the time, and not by fits and starts.
            size = int(max(1, min(self.piece, self.bytes_per_second / 50)))
            await asyncio.sleep(size / self.bytes_per_second)
            await self._open.wait()
            writer.write(data[:size])
            await writer.drain()
            data = data[size:]
