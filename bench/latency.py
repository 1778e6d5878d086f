"""From the commit to a client's socket, on another instance than the one that committed: 500 messages per second.

PostgreSQL tells when it committed (``track_commit_timestamp``; the time is taken just before the flush), the client
when the frame came; both read the clock of the same machine.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.audience import Tally
from bench.figures import Figure
from bench.http_client import Connection
from bench.instances import HEARD, SWEPT, build_environ, open_servers, serve_instances
from bench.measuring import Run, median, millis, percentile
from bench.sends import build_send
from bench.socket_client import Socket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.servers import Service
    from tests.servers.postgres import PostgresServer

PER_SECOND = 500
CONVERSATIONS = 8
CONNECTIONS = 64
"""More than are ever in flight, so that a slow answer does not hold the next message up."""
SECONDS_EACH = 3
_MOST_HEARD_MS = 50
_MOST_SWEPT_MS = 300
"""The database is looked at every 250 ms, and the look takes its time."""
_OWN = "a client of the instance that committed"
_WAIT_SECONDS = 20
_COMMITS = """
SELECT position, extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM event WHERE kind = 'message.created'
"""


@dataclass(slots=True)
class Ear:
    """A client who is in every conversation: when each event came to him, by position."""

    came: dict[int, float] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    live: asyncio.Event = field(default_factory=asyncio.Event)
    socket: Socket | None = None

    async def connect(self, service: Service) -> None:
        """Connect and wait until what is sent comes at once."""
        self.socket = await Socket.open(service.port, "/v1/ws", token=service.token("reader"), on_text=self.take)
        self.socket.send(b'{"op":"hello"}')
        await asyncio.wait_for(self.live.wait(), _WAIT_SECONDS)

    def take(self, text: bytes) -> None:
        """Note an event; the cursor stands at the beginning of its frame."""
        if text.startswith(b'{"op":"event","cursor":"'):
            self.came[int(text[24 : text.index(b"-", 24)])] = time.time()
            self.tally.add()
        elif text.startswith(b'{"op":"live"'):
            self.live.set()
        elif text.startswith(b'{"op":"ping"') and self.socket is not None:
            self.socket.send(b'{"op":"pong"}')

    def hang_up(self) -> None:
        """Close the connection."""
        assert self.socket is not None
        self.socket.close()


@dataclass(frozen=True, slots=True)
class Round:
    """All in seconds: from the commit to a client of the other instance and of the same, and to the sender's answer."""

    other: list[float]
    own: list[float]
    acknowledged: Sequence[float]


async def measure(run: Run) -> list[Figure]:
    """Send with Redis, then without."""
    figures = []
    with open_servers() as (postgres, valkey):
        for how, redis_url, most in ((HEARD, valkey.url, _MOST_HEARD_MS), (SWEPT, None, _MOST_SWEPT_MS)):
            figures += _figures(how, await _measure(run, postgres, redis_url), most)
    return figures


async def _measure(run: Run, postgres: PostgresServer, redis_url: str | None) -> list[Round]:
    database = postgres.create_database()
    environ = build_environ(postgres.url_of(database), redis_url)
    async with serve_instances(2, run.folder / f"latency-{database}", environ) as (own, other):
        requests = await _prepare(own)
        connections = await own.connect(CONNECTIONS)
        await _measure_round((own, other), connections, requests, run.seconds)
        rounds = [
            await _measure_round((own, other), connections, requests, run.seconds * SECONDS_EACH)
            for _ in range(run.rounds)
        ]
        for connection in connections:
            connection.close()
    commits = await asyncio.to_thread(postgres.run_sql, _COMMITS, database=database)
    times = {int(position or 0): float(at or 0) for position, at in commits}
    return [_compare(ears, acknowledged, times) for ears, acknowledged in rounds]


async def _prepare(service: Service) -> list[tuple[str, str]]:
    token = service.token("sender")
    return [(token, await service.create_conversation("sender", ["reader"])) for _ in range(CONVERSATIONS)]


async def _measure_round(
    services: tuple[Service, Service], connections: Sequence[Connection], places: list[tuple[str, str]], seconds: float
) -> tuple[tuple[Ear, Ear], Sequence[float]]:
    """Send for some time; return when everybody has everything."""
    ears = Ear(), Ear()
    for ear, service in zip(ears, services, strict=True):
        await ear.connect(service)
    acknowledged = await _send_steadily(connections, places, int(seconds * PER_SECOND))
    async with asyncio.timeout(_WAIT_SECONDS):
        for ear in ears:
            await ear.tally.reach(len(acknowledged))
    for ear in ears:
        ear.hang_up()
    return ears, acknowledged


async def _send_steadily(
    connections: Sequence[Connection], places: list[tuple[str, str]], count: int
) -> Sequence[float]:
    """Send at the same pace whatever the answers take; return how long each took, in seconds."""
    free, latencies = asyncio.Queue[Connection](), []
    for connection in connections:
        free.put_nowait(connection)

    async def send(number: int) -> None:
        before, connection = time.perf_counter(), await free.get()
        response = await connection.call(build_send(*places[number % len(places)]))
        assert response.status == 201, response
        latencies.append(time.perf_counter() - before)
        free.put_nowait(connection)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            await asyncio.sleep(begun + number / PER_SECOND - time.perf_counter())
            tasks.create_task(send(number))
    return latencies


def _compare(ears: tuple[Ear, Ear], acknowledged: Sequence[float], times: dict[int, float]) -> Round:
    own, other = ([at - times[position] for position, at in ear.came.items()] for ear in ears)
    return Round(other, own, acknowledged)


def _figures(how: str, rounds: list[Round], most: float) -> list[Figure]:
    figures = [
        Figure(
            name=f"latency: p{percent} from commit to another instance's client, {how}",
            value=millis(median([percentile(each.other, percent) for each in rounds])),
            unit="ms",
            baseline=millis(median([percentile(each.own, percent) for each in rounds])),
            against=_OWN,
            at_most=most if percent == 99 else None,
        )
        for percent in (50, 99)
    ]
    acknowledged = millis(median([percentile(each.acknowledged, 99) for each in rounds]))
    return [*figures, Figure(name=f"latency: p99 of the sends themselves, {how}", value=acknowledged, unit="ms")]
