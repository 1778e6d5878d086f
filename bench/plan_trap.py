"""The first 50,000 appends on a PostgreSQL that knows nothing of its tables: the last must take what the first took.

A plan that was made for empty tables and is kept stays right only if it was made to. One half is taken beside nobody,
the other beside a session that holds a snapshot, so that nothing which appends leave dead can be cleaned away.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import asyncpg

from bench.figures import Figure
from bench.measuring import Run, median, millis
from bench.stores import SENDER, build_draft, create_conversation, create_postgres_store
from tests.servers.postgres import PostgresServer, open_postgres

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

CONVERSATIONS = 20
BATCH = 50
_MESSAGES = 50_000
_MESSAGES_OF_QUICK_RUN = 10_000
_SHARE = 10
"""The first tenth of the appends is compared with the last tenth."""


async def measure(run: Run) -> list[Figure]:
    """Append to a new database, twice."""
    figures = []
    with open_postgres(durable=True, settings={"autovacuum": "off"}) as server:
        for beside in ("", ", beside a snapshot"):
            latencies = await _append_many(server, run, snapshot=bool(beside))
            share = len(latencies) // _SHARE
            first, last = median(latencies[:share]), median(latencies[-share:])
            figures.append(
                Figure(
                    name=f"plan_trap: p50 of the last appends of {BATCH}{beside}",
                    value=millis(last),
                    unit="ms",
                    baseline=millis(first),
                    against="the first appends to the same database",
                    at_most_ratio=1.5,
                )
            )
    return figures


async def _append_many(server: PostgresServer, run: Run, *, snapshot: bool) -> list[float]:
    url = server.url_of(server.create_database())
    latencies = []
    async with create_postgres_store(url) as store, _beside(url, snapshot=snapshot):
        conversations = [await create_conversation(store, SENDER) for _ in range(CONVERSATIONS)]
        for _ in range((_MESSAGES_OF_QUICK_RUN if run.quick else _MESSAGES) // BATCH):
            drafts = [build_draft(conversations[number % CONVERSATIONS]) for number in range(BATCH)]
            before = time.perf_counter()
            await store.append_messages(drafts)
            latencies.append(time.perf_counter() - before)
    return latencies


@contextlib.asynccontextmanager
async def _beside(url: str, *, snapshot: bool) -> AsyncGenerator[None]:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            if snapshot:
                await connection.fetch("SELECT count(*) FROM event")
            yield
    finally:
        await connection.close()
