"""Whoever follows the list passes over no revocation, however slow its commit is."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import asyncpg

from sanctum_messaging.adapters.postgres.revocations import PostgresRevocations
from tests.conftest import HandClock
from tests.postgres_database import opened

_ADD = "SELECT add_revocation('default', 'user', $1, 0, 0)"
_WAITING = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = $1)"
)


async def test_no_later_one_is_seen_before_an_earlier_one(migrated_url: str, clock: HandClock) -> None:
    async with AsyncExitStack() as stack:
        slow, quick, watcher = [await asyncpg.connect(migrated_url) for _ in range(3)]
        for connection in (slow, quick, watcher):
            stack.push_async_callback(connection.close)
        revocations = PostgresRevocations(await stack.enter_async_context(opened(migrated_url)), clock)
        transaction = slow.transaction()
        await transaction.start()
        assert await slow.fetchval(_ADD, "slow") == 1
        adding = asyncio.create_task(quick.fetchval(_ADD, "quick"))
        database = migrated_url.rpartition("/")[2]
        while not await watcher.fetchval(_WAITING, database):  # noqa: ASYNC110 - PostgreSQL tells nobody of who waits
            await asyncio.sleep(0)

        assert await revocations.read_from(0, limit=10) == []
        await transaction.commit()

        assert await adding == 2
        assert [each.value for each in await revocations.read_from(0, limit=10)] == ["slow", "quick"]
