"""A worker's end: what it inherits, what it tells the supervisor, and what it does once there is none."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Self

import structlog

from sanctum_messaging.config import ConfigError, Fault
from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.supervisor.link import Link, Word

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from sanctum_messaging.observability.metrics import RenderMetrics

PATIENCE_SECONDS = 3.0
"""How long the supervisor may take to gather the metrics: it waits for each worker for 1 s."""

_log = structlog.get_logger()


class Membership:
    """One process' place among those that serve together."""

    def __init__(self, listener: socket.socket, end: socket.socket) -> None:
        self.listener = listener
        self._end = end
        self._link: Link | None = None
        self._render: RenderMetrics | None = None
        self._merged: asyncio.Future[bytes | None] | None = None

    @classmethod
    def inherit(cls, listener: int, end: int) -> Self:
        """Take over the descriptors that the supervisor left open for this process.

        Raises:
            ConfigError: they are no sockets, so no supervisor started this process.
        """
        try:
            sockets = socket.socket(fileno=listener), socket.socket(fileno=end)
        except OSError as error:
            raise ConfigError(Fault("WORKERS", "only `sanctum serve --workers` can start a worker")) from error
        for each in sockets:
            each.set_inheritable(False)  # A child of this process would outlive it with them, and hide its end.
        return cls(*sockets)

    def close(self) -> None:
        """Give back what was inherited."""
        self.listener.close()
        self._end.close()

    def share_metrics(self, render: RenderMetrics) -> Callable[[], Awaitable[bytes]]:
        """Have the supervisor told these metrics when it asks; return what asks it for everyone's."""
        self._render = render
        return self._ask_for_merged

    @contextlib.asynccontextmanager
    async def joined(self, on_orphaned: Callable[[], None]) -> AsyncGenerator[None]:
        """Answer the supervisor meanwhile; ``on_orphaned`` is called if it goes away."""
        link = self._link = await Link.open(self._end)
        try:
            async with asyncio.TaskGroup() as tasks:
                answering = tasks.create_task(self._answer(link, on_orphaned))
                yield
                answering.cancel()
        finally:
            link.close()

    def announce(self) -> None:
        """Tell the supervisor that this process takes connections."""
        if self._link is not None:
            self._link.send(Word.LISTENING)

    async def _answer(self, link: Link, on_orphaned: Callable[[], None]) -> None:
        while (frame := await link.receive()) is not None:
            word, body = frame
            if word is Word.GIVE_OWN:
                link.send(Word.OWN, b"" if self._render is None else self._render())
            elif word is Word.MERGED:
                self._resolve(body)
        self._link = None
        self._resolve(None)
        _log.warning("supervisor_gone")
        on_orphaned()

    def _resolve(self, merged: bytes | None) -> None:
        waited, self._merged = self._merged, None
        if waited is not None:
            waited.set_result(merged)

    async def _ask_for_merged(self) -> bytes:
        """Ask the supervisor; whoever asks meanwhile gets the same answer.

        Raises:
            UnavailableError: it does not answer.
        """
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                merged = await asyncio.shield(self._asked())
        except TimeoutError:
            merged = None
        if merged is None:
            raise UnavailableError("The supervisor does not answer.")
        return merged

    def _asked(self) -> asyncio.Future[bytes | None]:
        if self._merged is not None:
            return self._merged
        asked = asyncio.get_running_loop().create_future()
        if self._link is None:
            asked.set_result(None)
        else:
            self._merged = asked
            self._link.send(Word.GIVE_MERGED)
        return asked
