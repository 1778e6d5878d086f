"""One conversation with 200 connected readers, against the least that the stack can do: a loop of ``send_text``."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.audience import Audience
from bench.figures import Figure
from bench.http_client import Connection, build_request
from bench.measuring import Run, median, micros, millis, percentile
from bench.prober import Probe, run_probe
from bench.sends import build_send
from bench.servers import Server, Service, serve, serve_baseline

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

READERS = 200
BUSY_SENDERS = 16
"""In flight at a time: they keep the loop at its limit, whatever it is."""
_LOOP = "a loop of Starlette's send_text to as many sockets, same bytes, same server settings"
_BESIDE_LOOPS = "an echoed request beside such loops, as many in flight"
_COUNTED_SENDS = 50


@dataclass(slots=True)
class Subject:
    """A server with an audience; ``make_request`` writes a request that is fanned out to it."""

    server: Server
    audience: Audience
    make_request: Callable[[], bytes]
    probe: Probe
    cpu_singly: list[float] = field(default_factory=list)
    cpu_busy: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    async def measure(self, seconds: float) -> None:
        """Send one message after the other, then as many as the server takes."""
        async with _counting(self, self.cpu_singly):
            await self._send_singly(seconds)
        begun, received = time.perf_counter(), self.audience.received
        async with _counting(self, self.cpu_busy):
            await self._send_beside_probe()
        self.rates.append((self.audience.received - received) / (time.perf_counter() - begun))

    async def _send_singly(self, seconds: float) -> None:
        """Send a message when everybody has the one before."""
        connection = await Connection.open(self.server.port)
        until, received = time.perf_counter() + seconds, self.audience.received
        while time.perf_counter() < until:
            await self._send(connection)
            received += READERS
            await self.audience.wait_for(received)
        connection.close()

    async def _send_beside_probe(self) -> None:
        received, probed = self.audience.received, asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            senders = [tasks.create_task(self._keep_sending(probed)) for _ in range(BUSY_SENDERS)]
            self.latencies += await run_probe(self.probe)
            probed.set()
        await self.audience.wait_for(received + READERS * sum(sender.result() for sender in senders))

    async def _keep_sending(self, probed: asyncio.Event) -> int:
        connection = await Connection.open(self.server.port)
        sent = 0
        while not probed.is_set():
            await self._send(connection)
            sent += 1
        connection.close()
        return sent

    async def _send(self, connection: Connection) -> None:
        response = await connection.call(self.make_request())
        assert response.status == 201, response


async def measure(run: Run) -> list[Figure]:
    """Take turns between the service and the loop; then count how often an event is encoded."""
    async with serve(run.folder / "fanout") as service, serve_baseline(run.folder) as bare:
        ours = await _prepare(service, run.seconds)
        await ours._send_singly(0.2)  # noqa: SLF001 - it is of this module
        loop = await _prepare_loop(bare, run.seconds, ours.audience.sample)
        for _ in range(run.rounds):
            await ours.measure(run.seconds)
            await loop.measure(run.seconds)
        ours.audience.leave()
        loop.audience.leave()
    return [*_figures(ours, loop), await _count_encodings(run.folder / "counted")]


@contextlib.asynccontextmanager
async def _counting(subject: Subject, cpu: list[float]) -> AsyncGenerator[None]:
    """Note the server's processor time per event that the audience received."""
    before, received = subject.server.cpu_seconds, subject.audience.received
    yield
    cpu.append((subject.server.cpu_seconds - before) / (subject.audience.received - received))


async def _prepare(service: Service, seconds: float) -> Subject:
    readers = [f"reader-{number}" for number in range(READERS)]
    token, conversation = service.token("sender"), await service.create_conversation("sender", readers)
    probe = Probe(service.port, service.token("prober"), await service.create_conversation("prober"), seconds)
    audience = await Audience.join(service, readers)
    return Subject(service, audience, lambda: build_send(token, conversation), probe)


async def _prepare_loop(bare: Server, seconds: float, event: bytes) -> Subject:
    audience = await Audience.join_baseline(bare, READERS)
    probe = Probe(bare.port, "token", "conversation", seconds)
    return Subject(bare, audience, lambda: build_request("POST", "/fan-out", body=event), probe)


def _figures(ours: Subject, loop: Subject) -> list[Figure]:
    return [
        Figure(
            name="fanout: server CPU per delivery, one event at a time",
            value=micros(median(ours.cpu_singly)),
            unit="µs",
            baseline=micros(median(loop.cpu_singly)),
            against=_LOOP,
        ),
        Figure(
            name="fanout: server CPU per delivery, at full load",
            value=micros(median(ours.cpu_busy)),
            unit="µs",
            baseline=micros(median(loop.cpu_busy)),
            against=_LOOP,
        ),
        Figure(
            name="fanout: deliveries at full load",
            value=median(ours.rates),
            unit="1/s",
            baseline=median(loop.rates),
            against=_LOOP,
        ),
        *(
            Figure(
                name=f"fanout: p{percent} of a send beside full load",
                value=millis(percentile(ours.latencies, percent)),
                unit="ms",
                baseline=millis(percentile(loop.latencies, percent)),
                against=_BESIDE_LOOPS,
            )
            for percent in (50, 99)
        ),
    ]


async def _count_encodings(folder: Path) -> Figure:
    """Count in a server of its own, so that counting costs the others nothing."""
    counted = folder / "encodings"
    async with serve(folder, (sys.executable, "-m", "bench.counted_server", str(counted))) as service:
        subject = await _prepare(service, 0)
        connection = await Connection.open(service.port)
        for _ in range(_COUNTED_SENDS):
            await subject._send(connection)  # noqa: SLF001 - as above
        await subject.audience.wait_for(READERS * _COUNTED_SENDS)
        events = await service.read_metric("sanctum_append_events_total")
        connection.close()
        subject.audience.leave()
    encodings = await asyncio.to_thread(counted.read_text, "utf-8")
    return Figure(name="fanout: encodings per event, 200 readers", value=int(encodings) / events, unit="", at_most=1)
