"""A thousand clients at once: until all are live, and what that costs the server and this client."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bench.audience import Audience
from bench.figures import Figure
from bench.idle import FEW, create_conversations
from bench.measuring import Run, median, micros
from bench.servers import Server, serve, serve_baseline
from sanctum_messaging.server.limits import raise_descriptor_limit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CLIENTS = 1_000
_SETTLE_SECONDS = 1.0
_WARM = 50
_ACCEPTED = "an accepted socket of bare Starlette, same server settings"


async def measure(run: Run) -> list[Figure]:
    """Take turns with the bare server; each round has users whom the service has not seen before."""
    raise_descriptor_limit()
    async with serve(run.folder / "opening") as service, serve_baseline(run.folder) as bare:
        herds = [[f"client-{herd}-{number}" for number in range(CLIENTS)] for herd in range(run.rounds)]
        for herd in herds:
            await create_conversations(service, herd, FEW)
        (await Audience.join(service, [f"warm-{number}" for number in range(_WARM)])).leave()
        ours, theirs = [], []
        for herd in herds:
            tokens = [service.token(user) for user in herd]
            ours.append(await _measure(service, lambda: Audience.join_with(service, tokens, at_once=CLIENTS)))  # noqa: B023 - called at once
            theirs.append(await _measure(bare, lambda: Audience.join_baseline(bare, CLIENTS)))
    took, own, client = (median(column) for column in zip(*ours, strict=True))
    _, accepted, _ = (median(column) for column in zip(*theirs, strict=True))
    return [
        Figure(name=f"opening: {CLIENTS:,} clients at once, until all are live", value=took, unit="s", at_most=2),
        Figure(
            name="opening: server CPU per client, until it is live",
            value=micros(own) / CLIENTS,
            unit="µs",
            baseline=micros(accepted) / CLIENTS,
            against=_ACCEPTED,
        ),
        Figure(name="opening: CPU of the client itself, each", value=micros(client) / CLIENTS, unit="µs"),
    ]


async def _measure(server: Server, join: Callable[[], Awaitable[Audience]]) -> tuple[float, float, float]:
    """Return how long it took, and the processor time of the server and of this process."""
    own, client, begun = server.cpu_seconds, time.process_time(), time.perf_counter()
    audience = await join()
    took = time.perf_counter() - begun, server.cpu_seconds - own, time.process_time() - client
    audience.leave()
    await asyncio.sleep(_SETTLE_SECONDS)
    return took
