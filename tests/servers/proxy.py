"""A TCP proxy for one link, which can be made slow, silent or broken while it is in use."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import urlsplit

from tests.servers.flow import Flow
from tests.servers.server import free_port

if TYPE_CHECKING:
    from types import TracebackType

End = Literal["client", "upstream"]

_LINGER_ZERO = struct.pack("ii", 1, 0)
"""Makes the end of a connection a reset, with what was not sent thrown away."""


class Proxy:
    """Forwards connections on ``port`` to a port of this machine, in whatever state its two flows are.

    The system completes a connection before the proxy sees it, so even a silent proxy lets clients connect.
    """

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.port = free_port()
        self.to_upstream, self.to_client = Flow(), Flow()
        self._server: asyncio.Server | None = None
        self._links: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        """What forwards each connection, and its ends: the client's, and the upstream's once there is one."""

    @property
    def connections(self) -> int:
        """How many are forwarded."""
        return sum(not (task.done() or task.cancelling()) for task in self._links)

    def url(self, upstream: str) -> str:
        """Take the upstream's address and make it lead through here."""
        parts = urlsplit(upstream)
        return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{self.port}").geturl()

    async def accept(self) -> None:
        """Listen, again after ``refuse``."""
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, backlog=1024)

    def refuse(self) -> None:
        """Listen no more, so that who connects is refused. The connections there are stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def repoint(self, upstream: int) -> None:
        """Connect whoever comes from now on to another port. The connections there are stay; ``cut`` moves them."""
        self.upstream = upstream

    def hold(self) -> None:
        """Forward nothing in either direction until ``release``; nothing is lost."""
        self.to_upstream.hold()
        self.to_client.hold()

    def release(self) -> None:
        """Forward what was held."""
        self.to_upstream.release()
        self.to_client.release()

    def cut(self) -> None:
        """Reset both ends of all connections, half-open ones too."""
        self._break(slice(None))

    def lose(self, end: End) -> None:
        """Reset one end of all connections; the other never hears of it and is half open."""
        self._break(slice(0, 1) if end == "client" else slice(1, 2))

    async def heal(self) -> None:
        """Listen, and forward everything at full speed. What is half open stays so."""
        self.to_upstream.heal()
        self.to_client.heal()
        await self.accept()

    async def aclose(self) -> None:
        """Cut all connections and listen no more. Raises what no test could have meant to happen."""
        self.refuse()
        self.cut()
        ends = [end for pair in self._links.values() for end in pair]
        outcomes = await asyncio.gather(*self._links, return_exceptions=True)
        await asyncio.gather(*(end.wait_closed() for end in ends), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    def _break(self, ends: slice) -> None:
        for task, writers in self._links.items():
            task.cancel()
            for writer in writers[ends]:
                _reset(writer)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        task = asyncio.get_running_loop().create_task(self._forward(reader, ends))
        self._links[task] = ends
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        failed = not task.cancelled() and task.exception()
        if not failed and all(end.transport.is_closing() for end in self._links[task]):
            del self._links[task]

    async def _forward(self, reader: asyncio.StreamReader, ends: list[asyncio.StreamWriter]) -> None:
        """Forward both directions until both ended. A break of one end breaks the other."""
        try:
            answers, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
            ends.append(writer)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.to_upstream.carry(reader, writer))
                tasks.create_task(self.to_client.carry(answers, ends[0]))
        except* OSError:
            for end in ends:
                _reset(end)
        else:
            for end in ends:
                end.close()

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _reset(writer: asyncio.StreamWriter) -> None:
    # An end that is closed already has no socket to tell.
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    writer.transport.abort()
