"""Clients that read nothing, beside one that does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hub_client import until
from tests.integration.websockets_world import Served, served_world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from tests.conftest import HandClock

MUTE = 8
BODY = "x" * 7_000
MESSAGES = 60
"""420 KB: the kernel, uvicorn and the clients' library hold less than half of that for a client."""

HELD_BYTES = 100 * 1024
"""What waits for a client that does not read, on its way through the service."""


@pytest.fixture
async def service(store: SQLiteStore, database: Database, clock: HandClock) -> AsyncGenerator[Served]:
    """A hub on a socket, for which time passes by hand."""
    times = {"monotonic": clock.monotonic, "tick_seconds": 3_600, "close_seconds": 0.1}
    async with served_world(store, database, clock, **times) as service:
        yield service


async def test_s_d3_who_reads_nothing_costs_little_and_is_sent_away(service: Served) -> None:
    world, hub = service.world, service.hub
    names = [f"mute-{number}" for number in range(MUTE)]
    group = await world.create("ada", *names)
    ada = await service.live("ada")
    for name in names:
        await service.live(name)
    for _ in range(MESSAGES):
        await world.send(group, "ada", BODY)
        await ada.assert_event("message.created", body=BODY)
        assert hub.view.pending_bytes <= (MUTE + 1) * world.settings.pending_bytes
        held = [
            each.delivery.pending_bytes + each.delivery._transport.unsent for each in hub._parts.registry.connections
        ]
        assert max(held) <= HELD_BYTES
    assert hub.counters.fell_behind == MUTE
    assert hub.counters.catch_up_database == 0
    assert (hub.view.phases["catching_up"], hub.view.pending_bytes) == (MUTE, 0)
    world.pass_time(1)
    world.pass_time(29)
    assert hub.counters.closes[4003] == 0
    world.pass_time(2)
    assert hub.counters.closes[4003] == MUTE
    await until(lambda: hub.counters.connections == 1)
    assert len(await ada.settle(hub.tail)) == MESSAGES
