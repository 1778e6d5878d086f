"""Steady fan-out, 20 events a second to 1,000 connections, against loops of ``socket.send`` and ``send_text``.

The service stores each event and answers whoever sent it, which the loops do not: that is measured by itself, with the
same connections open and in a conversation of which nobody is online, and taken off.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.audience import Audience
from bench.figures import Figure
from bench.http_client import Connection, build_request
from bench.measuring import Run, median, micros
from bench.send_loop import SendLoop, Turn
from bench.sends import build_send
from bench.servers import Server, Service, serve, serve_baseline
from sanctum_messaging.protocol.framing import frame_text
from sanctum_messaging.server.limits import raise_descriptor_limit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

READERS = 1_000
PER_SECOND = 20
_BARE = "a loop of socket.send over as many sockets, same bytes"
_STARLETTE = "a loop of Starlette's send_text to as many sockets, same bytes"


@dataclass(slots=True)
class Subject:
    """Who sends: ``send`` has so many events go out to the audience, at the steady pace."""

    process: Server | SendLoop
    audience: Audience
    send: Callable[[int], Awaitable[None]]
    send_to_nobody: Callable[[int], Awaitable[None]] | None = None
    cpu: list[float] = field(default_factory=list)
    unheard: list[float] = field(default_factory=list)
    """The same, of events that go to nobody."""

    async def measure(self, events: int) -> None:
        """Note the processor time of a delivery."""
        before, received = self.process.cpu_seconds, self.audience.received
        await self.send(events)
        await self.audience.wait_for(received + events * READERS)
        self.cpu.append((self.process.cpu_seconds - before) / (events * READERS))
        if self.send_to_nobody is not None:
            before = self.process.cpu_seconds
            await self.send_to_nobody(events)
            self.unheard.append((self.process.cpu_seconds - before) / (events * READERS))

    @property
    def cost(self) -> float:
        """What a delivery takes, in microseconds."""
        return micros(median(self.cpu) - (median(self.unheard) if self.unheard else 0.0))


async def measure(run: Run) -> list[Figure]:
    """Take turns with all three."""
    raise_descriptor_limit()
    events = round(run.seconds * PER_SECOND)
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(serve(run.folder / "deliveries"))
        bare = await stack.enter_async_context(serve_baseline(run.folder))
        loop = await stack.enter_async_context(SendLoop.running())
        subjects = [await _prepare(service)]
        event = subjects[0].audience.sample
        subjects += [await _prepare_loop(loop, event), await _prepare_starlette(bare, event)]
        for _ in range(run.rounds):
            for subject in subjects:
                await subject.measure(events)
        for subject in subjects:
            subject.audience.leave()
    return _figures(*subjects)


async def _prepare(service: Service) -> Subject:
    readers = [f"reader-{number}" for number in range(READERS)]
    token, conversation = service.token("sender"), await service.create_conversation("sender", readers)
    deserted = await service.create_conversation("sender", ["nobody"])
    audience = await Audience.join(service, readers)
    connection = await Connection.open(service.port)

    async def send(where: str) -> None:
        response = await connection.call(build_send(token, where))
        assert response.status == 201, response

    subject = Subject(
        service,
        audience,
        lambda events: _repeat(lambda: send(conversation), events),
        lambda events: _repeat(lambda: send(deserted), events),
    )
    await subject.measure(PER_SECOND // 2)
    subject.cpu.clear()
    subject.unheard.clear()
    return subject


async def _prepare_starlette(bare: Server, event: bytes) -> Subject:
    audience = await Audience.join_baseline(bare, READERS)
    connection = await Connection.open(bare.port)

    async def send() -> None:
        await connection.call(build_request("POST", "/fan-out", body=event))

    return Subject(bare, audience, lambda events: _repeat(send, events))


async def _prepare_loop(loop: SendLoop, event: bytes) -> Subject:
    audience = await Audience.join_loop(loop.port, READERS)
    return Subject(loop, audience, lambda events: loop.send(Turn(frame_text(event), events, 1 / PER_SECOND)))


async def _repeat(send: Callable[[], Awaitable[None]], events: int) -> None:
    begun = time.perf_counter()
    for number in range(events):
        await asyncio.sleep(begun + number / PER_SECOND - time.perf_counter())
        await send()


def _figures(ours: Subject, loop: Subject, starlette: Subject) -> list[Figure]:
    name = f"deliveries: server CPU, {PER_SECOND} events/s to {READERS:,} connections"
    return [
        Figure(name=name, value=ours.cost, unit="µs", baseline=loop.cost, against=_BARE, at_most_ratio=1.25),
        Figure(name=name, value=ours.cost, unit="µs", baseline=starlette.cost, against=_STARLETTE, at_most_ratio=0.7),
        Figure(name=f"{name}, with the sends", value=micros(median(ours.cpu)), unit="µs"),
    ]
