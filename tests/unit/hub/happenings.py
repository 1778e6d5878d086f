"""Things that happen around ben, in two conversations that he is in and out of."""

from __future__ import annotations

import itertools
import tempfile
from collections import deque
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sqlite.database import Database
from sanctum_messaging.adapters.sqlite.migrate import apply_migrations
from sanctum_messaging.adapters.sqlite.store import SQLiteStore
from sanctum_messaging.domain.errors import SanctumError
from sanctum_messaging.domain.model import HistoryVisibility
from tests.conftest import HandClock
from tests.hub_world import World, running_world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from sanctum_messaging.domain.model import ConversationId, Message

STEPS = [
    *["send"] * 6,
    "edit",
    "edit",
    "delete",
    "add",
    "add",
    "remove",
    "join other",
    "join other",
    "leave other",
    "mute",
    "change visibility",
    "gather",
]


@asynccontextmanager
async def fresh_world(**settings: object) -> AsyncGenerator[World]:
    """Run a world of its own, for tests that need many."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "messaging.db")
        database.open()
        apply_migrations(database.writer)
        clock = HandClock()
        try:
            async with running_world(World(SQLiteStore(database, clock), database, clock, **settings)) as world:
                yield world
        finally:
            database.close()


class Happenings:
    """``group`` shows members what fell into their memberships only; ``other`` changes its mind about that."""

    def __init__(self, world: World, group: ConversationId, other: ConversationId) -> None:
        self.group = group
        self.other = other
        self._world = world
        self._messages: deque[Message] = deque()
        self._numbers = itertools.count()
        self._deeds: dict[str, Callable[[int], Awaitable[None]]] = {
            "send": self._send,
            "edit": self._edit,
            "delete": lambda _: world.delete(self._messages.popleft()),
            "add": lambda _: world.add(group, "ada", "ben"),
            "remove": lambda _: world.remove(group, "ada", "ben"),
            "join other": lambda _: world.add(other, "ada", "ben"),
            "leave other": lambda _: world.remove(other, "ada", "ben"),
            "mute": lambda _: world.mute(group, "ben"),
            "gather": self._gather,
            "change visibility": lambda number: world.show_history(other, "ada", list(HistoryVisibility)[number % 2]),
        }

    @classmethod
    async def begin(cls, world: World) -> Happenings:
        """Create the two."""
        group = await world.create("ada", "ben", visibility=HistoryVisibility.JOINED)
        return cls(world, group, await world.create("ada", "cem"))

    async def happen(self, step: str) -> None:
        """Let something happen; what makes no sense now is refused, and nothing happens."""
        with suppress(IndexError, SanctumError):
            await self._deeds[step](next(self._numbers))

    async def _send(self, number: int) -> None:
        body = "x" * (1 + number % 7 * 300)
        self._messages.append(await self._world.send((self.group, self.other)[number % 2], "ada", body))

    async def _edit(self, number: int) -> None:
        self._messages.append(await self._world.edit(self._messages.popleft(), f"edited {number}"))

    async def _gather(self, number: int) -> None:
        """Have ben come into a conversation together with others, while something is said there."""
        gathering = await self._world.create("ada", "cem")
        await self._world.send(gathering, "ada", "before")
        await self._world.add(gathering, "ada", f"first-{number}", "ben", f"last-{number}")
        await self._world.send(gathering, "ada", "after")
