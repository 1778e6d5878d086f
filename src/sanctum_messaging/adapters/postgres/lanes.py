"""Lanes: connections set apart for one kind of statement, so that no kind waits behind another.

A statement runs in a task of the lane. A caller who is cancelled leaves it alone: it is not cancelled half-way, its
result is dropped, and the connection is given back only after its answer. Nothing is ever asked of a connection whose
last answer is outstanding.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg

from sanctum_messaging.adapters.postgres.connecting import CONNECT_ERRORS
from sanctum_messaging.adapters.postgres.failures import ConnectFailedError, ConnectionLostError
from sanctum_messaging.domain.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ACQUIRE_SECONDS = 2.0
"""Who waits longer than this for a connection is told that we are overloaded, while he still listens."""
ANSWER_SECONDS = 6.0
"""A little more than the server's own limit for a statement: who stays silent for so long is gone with his
connection."""
CLOSE_SECONDS = 1.0
"""What is under way at the end may finish, unless the server is silent. Who stops has 5 s for everything."""
GOODBYE_SECONDS = 0.5


class Lane:
    """At most ``size`` connections, made when they are needed, the last used first."""

    def __init__(self, size: int, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        """``connect`` makes one connection or raises the driver's error."""
        self._connect = connect
        self._closed = False
        self.waiting = 0
        """Callers for whom no connection is free."""
        self._tasks: set[asyncio.Task[list[asyncpg.Record]]] = set()
        # A place without a connection is None. The last one that was put back is taken first.
        self._places: asyncio.LifoQueue[asyncpg.Connection | None] = asyncio.LifoQueue()
        for _ in range(size):
            self._places.put_nowait(None)

    @property
    def busy(self) -> int:
        """How many connections are in use."""
        return len(self._tasks)

    async def run(self, statement: str, arguments: tuple[object, ...]) -> list[asyncpg.Record]:
        """Run a statement as a transaction of its own, to the end whatever becomes of the caller.

        Raises:
            UnavailableError: no connection was free in time (``overloaded``), or the lane is closed.
            ConnectFailedError: there was none to be had.
            ConnectionLostError: it ended before the answer.
            asyncpg.PostgresError: what the server answered.
        """
        place = await self._take_place()
        task = asyncio.create_task(self._run_at(place, statement, arguments), name="postgres statement")
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Let what is under way finish, and end all connections; who comes after this is refused."""
        self._closed = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*map(_close, self._take_idle()))

    def _forget(self, task: asyncio.Task[list[asyncpg.Record]]) -> None:
        """Take the end of a statement: what went wrong is its caller's, and nobody's if he has left."""
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def _take_place(self) -> asyncpg.Connection | None:
        if self._closed:
            raise UnavailableError("The connections to the database are closed.")
        self.waiting += 1
        try:
            async with asyncio.timeout(ACQUIRE_SECONDS):
                return await self._places.get()
        except TimeoutError as error:
            raise UnavailableError("All connections to the database are busy.", code="overloaded") from error
        finally:
            self.waiting -= 1

    async def _run_at(
        self, place: asyncpg.Connection | None, statement: str, arguments: tuple[object, ...]
    ) -> list[asyncpg.Record]:
        connection = place
        try:
            if connection is None or connection.is_closed():
                connection = await self._open()
            return await self._fetch(connection, statement, arguments)
        finally:
            self._places.put_nowait(None if connection is None or connection.is_closed() else connection)

    async def _open(self) -> asyncpg.Connection:
        try:
            return await self._connect()
        except CONNECT_ERRORS as error:
            raise ConnectFailedError from error

    async def _fetch(
        self, connection: asyncpg.Connection, statement: str, arguments: tuple[object, ...]
    ) -> list[asyncpg.Record]:
        silence = asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._give_up, connection)
        try:
            return await connection.fetch(statement, *arguments)
        except asyncio.CancelledError:
            # Only the end of the loop cancels us; the driver would now send a cancellation and wait for its outcome.
            connection.terminate()
            raise
        except (asyncpg.InternalClientError, asyncpg.ProtocolError) as error:
            connection.terminate()
            raise ConnectionLostError from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if connection.is_closed():
                raise ConnectionLostError from error
            raise
        finally:
            silence.cancel()

    def _give_up(self, connection: asyncpg.Connection) -> None:
        """End a connection that got no answer, and the idle ones: they lead to the same silent server."""
        connection.terminate()
        for idle in self._take_idle():
            idle.terminate()

    def _take_idle(self) -> list[asyncpg.Connection]:
        places = [self._places.get_nowait() for _ in range(self._places.qsize())]
        for _ in places:
            self._places.put_nowait(None)
        return [connection for connection in places if connection is not None]


async def _close(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=GOODBYE_SECONDS)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        # It ends either way; the server hears of it from the closed socket.
        connection.terminate()
