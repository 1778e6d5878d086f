"""What an instance costs that has nothing to do: its looks at the database, with Redis and without."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.instances import build_environ, open_servers, serve_instances
from bench.measuring import Run, read_cpu_seconds_with_children
from bench.servers import serve

if TYPE_CHECKING:
    from bench.servers import Service
    from tests.servers.postgres import PostgresServer

_SETTLE_SECONDS = 3.0
"""Until the bus has heard itself and what a start costs is over."""
_MILLI = 1_000
_EMBEDDED = "the same on SQLite, which nobody else writes to"
_STATEMENTS = "SELECT xact_commit FROM pg_stat_database WHERE datname = '{}'"


async def measure(run: Run) -> list[Figure]:
    """Let an instance be idle: on SQLite, on PostgreSQL alone, and with Redis."""
    seconds = 4.0 if run.quick else 15.0
    async with serve(run.folder / "sweep") as service:
        await asyncio.sleep(_SETTLE_SECONDS)
        embedded = await _cpu_of(service, seconds)
    figures = []
    with open_servers() as (postgres, valkey):
        for how, redis_url in (("every 250 ms (without Redis)", None), ("every 1 s (with Redis)", valkey.url)):
            figures += await _measure(run, how, postgres, redis_url=redis_url, embedded=embedded, seconds=seconds)
    return figures


async def _measure(
    run: Run, how: str, postgres: PostgresServer, *, redis_url: str | None, embedded: float, seconds: float
) -> list[Figure]:
    database = postgres.create_database()
    environ = build_environ(postgres.url_of(database), redis_url)
    async with serve_instances(1, run.folder / f"sweep-{database}", environ) as (service,):
        await asyncio.sleep(_SETTLE_SECONDS)
        before, statements = read_cpu_seconds_with_children(postgres.pid), await _count(postgres, database)
        begun = time.perf_counter()
        own = await _cpu_of(service, seconds)
        took = time.perf_counter() - begun
        theirs = (read_cpu_seconds_with_children(postgres.pid) - before) / took
        per_second = (await _count(postgres, database) - statements) / took
    return [
        Figure(
            name=f"sweep: CPU of an idle instance, a look {how}",
            value=own * _MILLI,
            unit="ms/s",
            baseline=embedded * _MILLI,
            against=_EMBEDDED,
        ),
        Figure(name=f"sweep: CPU of PostgreSQL, a look {how}", value=theirs * _MILLI, unit="ms/s"),
        Figure(name=f"sweep: statements, a look {how}", value=per_second, unit="1/s"),
    ]


async def _cpu_of(service: Service, seconds: float) -> float:
    """Return the share of a core that it takes while nothing happens."""
    before, begun = service.cpu_seconds, time.perf_counter()
    await asyncio.sleep(seconds)
    return (service.cpu_seconds - before) / (time.perf_counter() - begun)


async def _count(postgres: PostgresServer, database: str) -> int:
    """Count the transactions; a session tells of its own a second late."""
    rows = await asyncio.to_thread(postgres.run_sql, _STATEMENTS.format(database))
    return int(rows[0][0] or 0)
