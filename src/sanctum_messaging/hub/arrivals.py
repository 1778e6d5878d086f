"""Users who come at the same time are read together: a herd costs the database a few statements, not one for each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from sanctum_messaging.domain.model import Cursor
    from sanctum_messaging.hub.user import User

_MOST = 128
"""Users of one statement: enough for thousands a second, and a short wait for who comes behind a full one."""


class Batch:
    """Users who are read by one statement; ``end`` is the log's end that came with them, if they were."""

    def __init__(self) -> None:
        self.users: dict[User, None] = {}
        self.end: Cursor | None = None
        self.fault: Exception | None = None
        self.over: asyncio.Event | None = None


class Arrivals:
    """While one statement is under way, who comes gathers for the next. The first of a batch reads it for all."""

    def __init__(self, read: Callable[[Collection[User]], Awaitable[Cursor | None]]) -> None:
        """``read`` takes in what it reads and returns the log's end, or none if that has to be done again."""
        self._read = read
        self._next = Batch()
        self._reading = asyncio.Lock()
        self.statements = 0

    async def join(self, user: User) -> Cursor | None:
        """Have a user read by a statement that begins after this call; none if he has to come again.

        Raises:
            UnavailableError: nobody can be read now; all of a batch are told so.
        """
        batch = self._next
        batch.users[user] = None
        if len(batch.users) == _MOST:
            self._next = Batch()
        if batch.over is None:
            batch.over = asyncio.Event()
            await self._lead(batch, batch.over)
        else:
            await batch.over.wait()
        if batch.fault is not None:
            raise batch.fault
        return batch.end

    async def _lead(self, batch: Batch, over: asyncio.Event) -> None:
        """Read a batch once it is its turn. If that is cancelled, those who followed come again with another."""
        try:
            async with self._reading:
                self._close(batch)
                self.statements += 1
                batch.end = await self._read(batch.users)
        except Exception as fault:  # noqa: BLE001 - it is raised where each of them waits
            batch.fault = fault
        finally:
            self._close(batch)
            over.set()

    def _close(self, batch: Batch) -> None:
        """Let nobody join any more."""
        if batch is self._next:
            self._next = Batch()
