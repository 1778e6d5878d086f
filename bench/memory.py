"""What an idle connection costs the server's memory, against an accepted socket of bare Starlette."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bench.audience import Audience
from bench.figures import Figure
from bench.servers import Server, serve, serve_baseline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bench.measuring import Run

CONNECTIONS = 1_000
GROUP = 100
"""Users of one conversation; each user is in one, and has one connection."""
_WARM = 50
"""Connections that come and go first, so that what is made once is not counted."""
_SETTLE_SECONDS = 1.0
_MOST_KIB = 60


async def measure(run: Run) -> list[Figure]:
    """Connect and wait: to the service, then to the bare server."""
    connections = CONNECTIONS // 4 if run.quick else CONNECTIONS
    async with serve(run.folder / "memory") as service:
        users = [f"idle-{number}" for number in range(connections)]
        for first in range(0, connections, GROUP):
            await service.create_conversation("owner", users[first : first + GROUP])
        warm = await Audience.join(service, [f"warm-{number}" for number in range(_WARM)])
        warm.leave()
        ours = await _measure(service, lambda: Audience.join(service, users))
    async with serve_baseline(run.folder) as bare:
        (await Audience.join_baseline(bare, _WARM)).leave()
        baseline = await _measure(bare, lambda: Audience.join_baseline(bare, connections))
    figure = Figure(
        name=f"memory: per idle connection, {connections:,} of them",
        value=ours,
        unit="KiB",
        baseline=baseline,
        against="an accepted socket of bare Starlette, same server settings",
        at_most=_MOST_KIB,
    )
    return [figure]


async def _measure(server: Server, join: Callable[[], Awaitable[Audience]]) -> float:
    """Return how much memory in KiB each connection adds, once all are idle."""
    await asyncio.sleep(_SETTLE_SECONDS)
    before = server.rss_bytes
    audience = await join()
    await asyncio.sleep(_SETTLE_SECONDS)
    added = server.rss_bytes - before
    per_connection = added / len(audience) / 1024
    audience.leave()
    return per_connection
