"""Wide: a user with 5,000 conversations, and a conversation with 10,000 participants, most of whom are away."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bench.audience import Audience
from bench.figures import Figure
from bench.http_client import Connection, put_load
from bench.measuring import Run, median, micros, millis
from bench.sends import build_send
from bench.servers import Service, serve
from bench.stores import create_conversation, open_store
from sanctum_messaging.domain.model import UserId
from sanctum_messaging.server.limits import raise_descriptor_limit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CONVERSATIONS = 5_000
PARTICIPANTS, ONLINE, FEW = 10_000, 1_000, 10
_SENDERS = 8
_EVENTS = 20
_DEARER = 1.1
"""What anything that is done for each of the others would be far above."""


async def measure(run: Run) -> list[Figure]:
    """Connect a user with many conversations; then take turns between a wide conversation and small ones."""
    raise_descriptor_limit()
    users = [UserId(f"wide-{number}") for number in range(run.rounds)]
    await _create_conversations(run.folder / "wide", users)
    async with serve(run.folder / "wide") as service:
        figures = [await _measure_user(service, users)]
        online = [f"online-{number}" for number in range(ONLINE)]
        away = [f"away-{number}" for number in range(PARTICIPANTS - ONLINE - 1)]
        wide = await service.create_conversation("sender", [*online, *away])
        narrow = await service.create_conversation("sender", away[: FEW - 1])
        present = await service.create_conversation("sender", online)
        figures.append(await _measure_sends(run, service, wide, narrow))
        audience = await Audience.join(service, online)
        figures.append(await _measure_deliveries(run, service, audience, (wide, present)))
        audience.leave()
    return figures


async def _create_conversations(data_dir: Path, users: Sequence[UserId]) -> None:
    await asyncio.to_thread(data_dir.mkdir)
    with open_store(data_dir) as store:
        for _ in range(CONVERSATIONS):
            await create_conversation(store, UserId("owner"), *users)


async def _measure_user(service: Service, users: Sequence[str]) -> Figure:
    """Connect a user with many conversations, each time another whom the service has not seen before."""
    (await Audience.join(service, ["warm"])).leave()
    took = []
    for user in users:
        token, begun = service.token(user), time.perf_counter()
        audience = await Audience.join_with(service, [token])
        took.append(time.perf_counter() - begun)
        audience.leave()
    name = f"wide: from connecting to live, {CONVERSATIONS:,} conversations"
    return Figure(name=name, value=millis(median(took)), unit="ms", at_most=250)


async def _measure_sends(run: Run, service: Service, wide: str, narrow: str) -> Figure:
    """Send while nobody is online."""
    connections = await service.connect(_SENDERS)

    async def send(conversation: str) -> float:
        before, token = service.cpu_seconds, service.token("sender")
        load = await put_load(connections, lambda _: build_send(token, conversation), seconds=run.seconds)
        return (service.cpu_seconds - before) / len(load.latencies)

    await send(wide)
    took = [(await send(wide), await send(narrow)) for _ in range(run.rounds)]
    ours, baseline = (micros(median(column)) for column in zip(*took, strict=True))
    return Figure(
        name=f"wide: server CPU per send, {PARTICIPANTS:,} participants",
        value=ours,
        unit="µs",
        baseline=baseline,
        against=f"the same with {FEW} participants",
        at_most_ratio=_DEARER,
    )


async def _measure_deliveries(run: Run, service: Service, audience: Audience, conversations: Sequence[str]) -> Figure:
    """Send to the same connections by two conversations: most participants of the first are away."""
    connection, token = await Connection.open(service.port), service.token("sender")

    async def send(conversation: str) -> float:
        before = service.cpu_seconds
        for _ in range(_EVENTS):
            received = audience.received
            response = await connection.call(build_send(token, conversation))
            assert response.status == 201, response
            await audience.wait_for(received + len(audience))
        return (service.cpu_seconds - before) / (_EVENTS * len(audience))

    took = [[await send(each) for each in conversations] for _ in range(run.rounds * 2)]
    ours, baseline = (micros(median(column)) for column in zip(*took, strict=True))
    return Figure(
        name=f"wide: server CPU per delivery, {ONLINE:,} of {PARTICIPANTS:,} online",
        value=ours,
        unit="µs",
        baseline=baseline,
        against="the same to the same connections, nobody away",
        at_most_ratio=_DEARER,
    )
