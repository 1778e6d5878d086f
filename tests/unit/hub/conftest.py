from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hub_world import World, running_world
from tests.unit.hub.in_memory import Sockets, open_sockets

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from tests.conftest import HandClock


@pytest.fixture
async def world(
    request: pytest.FixtureRequest, store: SQLiteStore, database: Database, clock: HandClock
) -> AsyncGenerator[World]:
    """A running hub; a test may ask for other settings as the fixture's parameter."""
    async with running_world(World(store, database, clock, **getattr(request, "param", {}))) as world:
        yield world


@pytest.fixture
async def sockets(world: World) -> AsyncGenerator[Sockets]:
    async with open_sockets(world.hub) as sockets:
        yield sockets
