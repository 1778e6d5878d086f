"""What is done to a cluster: named faults, each a context in which something is broken and after which it is whole.

A fault says nothing about how long it lasts; whoever schedules it does. ``FAULTS`` is the table.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from tests.servers.server import ServerError

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from tests.e2e.cluster import Cluster, Instance
    from tests.servers.proxy import Proxy

Fault: TypeAlias = "Callable[[Cluster, random.Random], AbstractAsyncContextManager[object]]"

DELAY_SECONDS, JITTER_SECONDS = 0.1, 0.2
"""A link through another country."""
FLUSH_SECONDS = 1.0
TERMINATE_SECONDS = 0.2
_TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@asynccontextmanager
async def _instance_killed(cluster: Cluster, draw: random.Random) -> AsyncGenerator[None]:
    instance = draw.choice(cluster.instances)
    await instance.kill()
    try:
        yield
    finally:
        await instance.start()


@asynccontextmanager
async def _instance_paused(cluster: Cluster, draw: random.Random) -> AsyncGenerator[None]:
    instance = draw.choice(cluster.instances)
    instance.service.pause()
    try:
        yield
    finally:
        instance.service.resume()


@asynccontextmanager
async def _redis_killed(cluster: Cluster, draw: random.Random) -> AsyncGenerator[None]:
    await asyncio.to_thread(cluster.valkey.kill)
    try:
        yield
    finally:
        await asyncio.to_thread(cluster.valkey.revive)


@asynccontextmanager
async def _redis_flushed(cluster: Cluster, draw: random.Random) -> AsyncGenerator[None]:
    async def flush() -> None:
        with contextlib.suppress(OSError, ServerError):
            await asyncio.to_thread(cluster.valkey.empty)

    async with _repeating(flush, FLUSH_SECONDS):
        yield


@asynccontextmanager
async def _backends_terminated(cluster: Cluster, draw: random.Random) -> AsyncGenerator[None]:
    async def terminate() -> None:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection = await asyncpg.connect(cluster.database_url)
            try:
                await connection.execute(_TERMINATE)
            finally:
                connection.terminate()

    async with _repeating(terminate, TERMINATE_SECONDS):
        yield


@asynccontextmanager
async def _postgres_restarted(cluster: Cluster, draw: random.Random) -> AsyncGenerator[None]:
    await asyncio.to_thread(cluster.postgres.end)
    try:
        yield
    finally:
        await asyncio.to_thread(cluster.postgres.revive)


@asynccontextmanager
async def _postgres_killed(cluster: Cluster, draw: random.Random) -> AsyncGenerator[None]:
    await asyncio.to_thread(cluster.postgres.kill)
    try:
        yield
    finally:
        await asyncio.to_thread(cluster.postgres.revive)


def _on_link(find: Callable[[Instance], tuple[Proxy, ...]], break_it: Callable[[Proxy], None]) -> Fault:
    """Break an instance's link; mend it by letting everybody connect anew."""

    @asynccontextmanager
    async def broken(cluster: Cluster, draw: random.Random) -> AsyncGenerator[None]:
        links = find(draw.choice(cluster.instances))
        for link in links:
            break_it(link)
        try:
            yield
        finally:
            for link in links:
                await link.heal()

    return broken


def _cut(link: Proxy) -> None:
    link.refuse()
    link.cut()


def _delay(link: Proxy) -> None:
    for flow in (link.to_upstream, link.to_client):
        flow.latency, flow.jitter = DELAY_SECONDS, JITTER_SECONDS


def _slice(link: Proxy) -> None:
    for flow in (link.to_upstream, link.to_client):
        flow.piece, flow.latency = 7, 0.001


def _hold(link: Proxy) -> None:
    link.hold()


def _half_open(link: Proxy) -> None:
    """The server's end is gone and the instance never hears of it."""
    link.lose("upstream")


def _database(instance: Instance) -> tuple[Proxy, ...]:
    return (instance.database,)


def _redis(instance: Instance) -> tuple[Proxy, ...]:
    return instance.redis.both


def _subscriptions(instance: Instance) -> tuple[Proxy, ...]:
    return (instance.redis.subscriptions,)


_WAYS: dict[str, Callable[[Proxy], None]] = {
    "cut": _cut,
    "delayed": _delay,
    "held": _hold,
    "half_open": _half_open,
    "sliced": _slice,
}
_LINKS: dict[str, Callable[[Instance], tuple[Proxy, ...]]] = {
    "redis_link": _redis,
    "redis_subscription": _subscriptions,
    "postgres_link": _database,
}

FAULTS: dict[str, Fault] = {
    "instance_killed": _instance_killed,
    "instance_paused": _instance_paused,
    "redis_killed": _redis_killed,
    "redis_flushed": _redis_flushed,
    "postgres_backends_terminated": _backends_terminated,
    "postgres_restarted": _postgres_restarted,
    "postgres_killed": _postgres_killed,
    **{f"{link}_{way}": _on_link(find, break_it) for link, find in _LINKS.items() for way, break_it in _WAYS.items()},
}


@asynccontextmanager
async def _repeating(act: Callable[[], Awaitable[None]], seconds: float) -> AsyncGenerator[None]:
    async def repeat() -> None:
        while True:
            await act()
            await asyncio.sleep(seconds)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
