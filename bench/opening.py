"""A thousand clients at once: until all are live, and what that costs the server and this client."""

from __future__ import annotations

import asyncio

from bench.figures import Figure
from bench.herd import Member, come
from bench.idle import FEW, create_conversations
from bench.measuring import Run, median, micros, millis
from bench.servers import Server, serve, serve_baseline
from sanctum_messaging.server.limits import raise_descriptor_limit

CLIENTS = 1_000
_SETTLE_SECONDS = 1.0
_WARM = 50
_HELLO = '{"op":"hello"}'
_ACCEPTED = "an accepted socket of bare Starlette, same server settings"


async def measure(run: Run) -> list[Figure]:
    """Take turns with the bare server; each round has users whom the service has not seen before."""
    raise_descriptor_limit()
    async with serve(run.folder / "opening") as service, serve_baseline(run.folder) as bare:
        herds = [[f"client-{herd}-{number}" for number in range(CLIENTS)] for herd in range(run.rounds)]
        for herd in herds:
            await create_conversations(service, herd, FEW)
        await _measure(service, [Member(service.token(f"warm-{number}"), _HELLO) for number in range(_WARM)])
        ours, theirs = [], []
        for herd in herds:
            ours.append(await _measure(service, [Member(service.token(user), _HELLO) for user in herd]))
            theirs.append(await _measure(bare, [Member()] * CLIENTS))
    took, waited, own, client = (median(column) for column in zip(*ours, strict=True))
    _, _, accepted, _ = (median(column) for column in zip(*theirs, strict=True))
    return [
        Figure(name=f"opening: {CLIENTS:,} clients at once, until all are live", value=took, unit="s", at_most=2),
        Figure(name="opening: handshake to live, the last", value=millis(waited), unit="ms"),
        Figure(
            name="opening: server CPU per client, until it is live",
            value=micros(own) / CLIENTS,
            unit="µs",
            baseline=micros(accepted) / CLIENTS,
            against=_ACCEPTED,
        ),
        Figure(name="opening: CPU of the client itself, each", value=micros(client) / CLIENTS, unit="µs"),
    ]


async def _measure(server: Server, members: list[Member]) -> tuple[float, float, float, float]:
    """Return how long all of it took, how long the last waited for its stream, and both sides' processor time."""
    before = server.cpu_seconds
    async with come(server.port, members) as herd:
        own = server.cpu_seconds - before
    await asyncio.sleep(_SETTLE_SECONDS)
    return herd.last_live, max(herd.waited), own, herd.cpu_seconds
