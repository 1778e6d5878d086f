"""Catching up on 10 own events among 1 million foreign ones: from the store, by ``GET /v1/sync`` and on the socket.

Each time it is another user, whom the service has not seen before: what it reads, it reads for him.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec

from bench.figures import Figure
from bench.http_client import build_request
from bench.large_log import AWAY, OWN_EVENTS, LargeLog, open_large_log
from bench.measuring import median, millis
from bench.socket_client import Socket
from sanctum_messaging.domain.model import DEFAULT_TENANT, Cursor, Position

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bench.http_client import Connection
    from bench.measuring import Run
    from bench.servers import Service
    from sanctum_messaging.domain.model import UserId
    from sanctum_messaging.ports.store import Store

_MOST_MS = 20
_WAIT_SECONDS = 10
_NOTHING_MISSED = "the same with a cursor at the log's end"


async def measure(run: Run) -> list[Figure]:
    """Catch up on what is in a file."""
    return await measure_catch_up(await open_large_log(run), "catchup")


async def measure_catch_up(log: LargeLog, area: str) -> list[Figure]:
    """Catch up from the old cursor, and have nothing to catch up on."""
    async with log.open_store() as store:
        old, head = await _read_cursors(store, log)
        from_store = await _time(AWAY, lambda user: _read_store(store, user, old, head), OWN_EVENTS)
    async with log.serve() as service:
        connection = (await service.connect(1))[0]
        by_sync, on_socket = AWAY[: len(AWAY) // 2], AWAY[len(AWAY) // 2 :]
        tokens = {user: service.token(user) for user in by_sync}
        before = service.cpu_seconds
        synced = await _time(by_sync, lambda user: _sync(connection, tokens[user], old), OWN_EVENTS)
        cpu = (service.cpu_seconds - before) / len(by_sync)
        idle = await _time(by_sync, lambda user: _sync(connection, tokens[user], head), 0)
        heard = await _time_sockets(service, on_socket, old, OWN_EVENTS)
        idle_socket = await _time_sockets(service, on_socket, head, 0)
        connection.close()
    what = f"{area}: {OWN_EVENTS} among {log.foreign_events:,}"
    return [
        Figure(name=f"{what}, one read of the store", value=millis(from_store), unit="ms", at_most=_MOST_MS),
        _figure(f"{what}, by /v1/sync", synced, idle),
        Figure(name=f"{what}, by /v1/sync, server CPU", value=millis(cpu), unit="ms"),
        _figure(f"{what}, on the socket, hello to live", heard, idle_socket),
    ]


def _figure(name: str, missed: float, nothing: float) -> Figure:
    return Figure(
        name=name,
        value=millis(missed),
        unit="ms",
        baseline=millis(nothing),
        against=_NOTHING_MISSED,
        at_most=_MOST_MS,
    )


async def _read_cursors(store: Store, log: LargeLog) -> tuple[Cursor, Cursor]:
    """Return the cursor of those who were away, and the log's end."""
    events = await store.read_log(after=Position(log.before - 1), limit=1)
    return events[0].cursor, await store.read_head()


async def _time(users: Sequence[UserId], catch_up: Callable[[UserId], Awaitable[int]], expected: int) -> float:
    """Return the median time in seconds; the first user's warms up."""
    times = []
    for user in users:
        begun = time.perf_counter()
        assert await catch_up(user) == expected
        times.append(time.perf_counter() - begun)
    return median(times[1:])


async def _read_store(store: Store, user: UserId, after: Cursor, upto: Cursor) -> int:
    page = await store.read_stream(DEFAULT_TENANT, user, after=after.position, upto=upto.position, limit=2 * OWN_EVENTS)
    return len(page.events)


async def _sync(connection: Connection, token: str, cursor: Cursor) -> int:
    """Poll until there is no more, as a client does."""
    position, events, has_more = str(cursor), 0, True
    while has_more:
        response = await connection.call(build_request("GET", f"/v1/sync?cursor={position}", token))
        assert response.status == 200, response
        page = msgspec.json.decode(response.body)
        events, position, has_more = events + len(page["events"]), page["cursor"], page["hasMore"]
    return events


async def _hear(service: Service, user: UserId, cursor: Cursor) -> tuple[float, int]:
    """Connect, then time from the hello to the end of the replay."""
    live, events = asyncio.Event(), 0

    def take(text: bytes) -> None:
        nonlocal events
        events += text.startswith(b'{"op":"event"')
        if text.startswith(b'{"op":"live"'):
            live.set()

    socket = await Socket.open(service.port, "/v1/ws", token=service.token(user), on_text=take)
    begun = time.perf_counter()
    socket.send(b'{"op":"hello","cursor":"%s"}' % str(cursor).encode())
    async with asyncio.timeout(_WAIT_SECONDS):
        await live.wait()
    took = time.perf_counter() - begun
    socket.close()
    return took, events


async def _time_sockets(service: Service, users: Sequence[UserId], cursor: Cursor, expected: int) -> float:
    heard = [await _hear(service, user, cursor) for user in users]
    assert {events for _, events in heard} == {expected}
    return median([took for took, _ in heard[1:]])
