"""The way of one instance to Redis, as two links that break apart: what it listens to, and all else."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from tests.servers.flow import CHUNK
from tests.servers.proxy import Proxy
from tests.servers.server import free_port

if TYPE_CHECKING:
    from types import TracebackType

_SUBSCRIBE = b"*2\r\n$9\r\nSUBSCRIBE\r\n"


class RedisLink:
    """Listens on ``port``. A connection goes through ``commands`` until it subscribes, then through ``subscriptions``.

    That it changes the server's connection in between nobody can tell, as long as no password is asked for and what
    subscribes speaks RESP2, with which a connection begins.
    """

    def __init__(self, upstream: int) -> None:
        self.port = free_port()
        self.commands, self.subscriptions = Proxy(upstream), Proxy(upstream)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()

    @property
    def both(self) -> tuple[Proxy, Proxy]:
        return self.commands, self.subscriptions

    def url(self, upstream: str) -> str:
        """Take the server's address and make it lead through here."""
        parts = urlsplit(upstream)
        return parts._replace(netloc=f"{parts.hostname}:{self.port}").geturl()

    async def __aenter__(self) -> Self:
        for proxy in self.both:
            await proxy.accept()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._links:
            task.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
        for proxy in self.both:
            await proxy.aclose()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._forward(reader, writer))
        self._links.add(task)
        task.add_done_callback(self._links.discard)
        # Also where it is cancelled before its first step.
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward until either side ends; then both do, as on a broken link."""
        try:
            data = await self._forward_until_subscribed(reader, writer)
            if data:
                await _forward_through(self.subscriptions, reader, writer, first=data)
        except OSError:
            # The proxy refuses or resets as it was told to; the client sees the same.
            pass
        finally:
            await _abort(writer)

    async def _forward_until_subscribed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Return the command that subscribes, or nothing at the end."""
        answers, upstream = await asyncio.open_connection("127.0.0.1", self.commands.port)
        back = asyncio.create_task(_pump(answers, writer))
        try:
            while data := await _read_unless(back, reader):
                if data.startswith(_SUBSCRIBE):
                    return data
                upstream.write(data)
                await upstream.drain()
            return b""
        finally:
            await _end(back, upstream)


async def _forward_through(
    proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, first: bytes
) -> None:
    answers, upstream = await asyncio.open_connection("127.0.0.1", proxy.port)
    back = asyncio.create_task(_pump(answers, writer))
    try:
        data = first
        while data:
            upstream.write(data)
            await upstream.drain()
            data = await _read_unless(back, reader)
    finally:
        await _end(back, upstream)


async def _read_unless(ended: asyncio.Task[None], reader: asyncio.StreamReader) -> bytes:
    """Read what comes next; nothing once the other direction has ended."""
    reading = asyncio.create_task(reader.read(CHUNK))
    try:
        await asyncio.wait([reading, ended], return_when=asyncio.FIRST_COMPLETED)
        return b"" if ended.done() else await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()


async def _end(back: asyncio.Task[None], upstream: asyncio.StreamWriter) -> None:
    # Before anything is awaited, since whoever waits may be cancelled.
    back.cancel()
    upstream.transport.abort()
    await asyncio.gather(back, return_exceptions=True)
    await _abort(upstream)


async def _abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
