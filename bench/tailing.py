"""What the log costs an instance that has nobody to tell: every instance tails the whole of it.

A writing instance appends, and an instance of the service without any connection hears of it over the bus, or finds it
in the database. Its processor time is measured from outside, less what it takes when nothing happens.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.instances import HEARD, SWEPT, build_environ, open_servers, serve_instances
from bench.measuring import Run, median, micros, read_cpu_seconds, read_cpu_seconds_with_children
from bench.tailing_parts import measure_parts
from bench.writers import create_conversations, open_writers

if TYPE_CHECKING:
    from bench.servers import Service
    from bench.writers import Writers
    from tests.servers.postgres import PostgresServer
    from tests.servers.valkey import ValkeyServer

PACES: dict[str, float | None] = {"at full load": None, "at 500/s": 500}
SENDERS = 256
SECONDS_EACH = 2
_MOST_MICROS = 10
"""Required at full load, where events come in batches. One that comes alone costs a wake-up as well."""
_FROM_DATABASE = "the same without Redis: read from the database, four times a second"
_SETTLE_SECONDS = 3.0
_WAIT_SECONDS = 30
_LOOK_SECONDS = 0.4
"""Longer than it takes to find the last events in the database."""
_RING_EVENTS = 20_000
"""The most that the ring holds: from then on each event pushes one out."""
_MIB = 1024 * 1024


@dataclass(slots=True)
class Costs:
    """Processor time per event, in seconds, round by round."""

    instance: list[float] = field(default_factory=list)
    valkey: list[float] = field(default_factory=list)
    postgres: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scene:
    """Who is looked at, and what his idling costs per second."""

    service: Service
    writers: Writers
    postgres: PostgresServer
    valkey: ValkeyServer
    idle: float

    async def measure(self, costs: Costs, seconds: float, per_second: float | None) -> None:
        """Append for some time, and wait until all of it was applied."""
        applied, before, begun = await self.count_applied(), self._read_clocks(), time.perf_counter()
        outcome = (await self.writers.send("writer", SENDERS, seconds, per_second=per_second))[0]
        events = len(outcome.latencies)
        after = await self._read_clocks_after(applied + events)
        instance, valkey, postgres = (now - then for now, then in zip(after, before, strict=True))
        costs.instance.append((instance - self.idle * (time.perf_counter() - begun)) / events)
        costs.valkey.append(valkey / events)
        costs.postgres.append(postgres / events)
        costs.rates.append(events / outcome.seconds)

    async def _read_clocks_after(self, applied: float) -> tuple[float, float, float]:
        """Read the clocks once so many events were applied; before asking for that, which costs too."""
        async with asyncio.timeout(_WAIT_SECONDS):
            while True:
                await asyncio.sleep(_LOOK_SECONDS)
                clocks = self._read_clocks()
                if await self.count_applied() >= applied:
                    return clocks

    async def count_applied(self) -> float:
        """Count the events that it has applied."""
        return await self.service.read_metric("sanctum_applied_events_total")

    def _read_clocks(self) -> tuple[float, float, float]:
        return (
            self.service.cpu_seconds,
            read_cpu_seconds(self.valkey.pid),
            read_cpu_seconds_with_children(self.postgres.pid),
        )


async def measure(run: Run) -> list[Figure]:
    """Append as much as goes and at a steady rate, with Redis and without; then take the work to pieces."""
    with open_servers() as (postgres, valkey):
        heard, memory = await _measure(run, postgres, valkey, HEARD)
        swept, _ = await _measure(run, postgres, valkey, SWEPT)
    figures = [figure for how in PACES for figure in _figures(how, heard[how], swept[how])]
    return [*figures, *memory, *await measure_parts(run)]


async def _measure(
    run: Run, postgres: PostgresServer, valkey: ValkeyServer, how: str
) -> tuple[dict[str, Costs], list[Figure]]:
    url, redis_url = postgres.url_of(postgres.create_database()), valkey.url if how == HEARD else None
    conversations = await create_conversations(url)
    folder = run.folder / f"tailing-{how.partition(' ')[0]}"
    costs = {pace: Costs() for pace in PACES}
    async with (
        serve_instances(1, folder, build_environ(url, redis_url)) as (service,),
        open_writers(1, url, conversations, redis_url=redis_url) as writers,
    ):
        await asyncio.sleep(_SETTLE_SECONDS)
        empty, begun, cpu = service.rss_bytes, time.perf_counter(), service.cpu_seconds
        await asyncio.sleep(_SETTLE_SECONDS)
        idle = (service.cpu_seconds - cpu) / (time.perf_counter() - begun)
        scene = Scene(service, writers, postgres, valkey, idle)
        while await scene.count_applied() < _RING_EVENTS:
            await scene.measure(Costs(), run.seconds, None)
        for _ in range(run.rounds):
            for pace, per_second in PACES.items():
                await scene.measure(costs[pace], run.seconds * SECONDS_EACH, per_second)
        full = service.rss_bytes
    return costs, [
        Figure(name="tailing: memory of an instance at its start", value=empty / _MIB, unit="MiB"),
        Figure(name="tailing: memory of it with a full ring", value=full / _MIB, unit="MiB"),
    ]


def _figures(pace: str, heard: Costs, swept: Costs) -> list[Figure]:
    return [
        Figure(
            name=f"tailing: CPU per event of an instance without connections, {pace}",
            value=micros(median(heard.instance)),
            unit="µs",
            baseline=micros(median(swept.instance)),
            against=_FROM_DATABASE,
            at_most=_MOST_MICROS if PACES[pace] is None else None,
        ),
        Figure(name=f"tailing: CPU per event of Valkey, {pace}", value=micros(median(heard.valkey)), unit="µs"),
        Figure(
            name=f"tailing: CPU per event of PostgreSQL, {pace}",
            value=micros(median(heard.postgres)),
            unit="µs",
            baseline=micros(median(swept.postgres)),
            against=_FROM_DATABASE,
        ),
        Figure(
            name=f"tailing: events, {pace}",
            value=median(heard.rates),
            unit="1/s",
            baseline=median(swept.rates),
            against=_FROM_DATABASE,
        ),
    ]
