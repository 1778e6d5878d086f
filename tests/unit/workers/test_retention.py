"""The clean-up goes on, whatever the database says to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from sanctum_messaging.workers.retention import run_retention
from tests.hub_client import until

if TYPE_CHECKING:
    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from tests.conftest import HandClock

_EXPIRED = "INSERT INTO idempotency VALUES ('default', 'ann', 'key', '', '{}', 0)"
_REFUSING = "CREATE TRIGGER refusing BEFORE DELETE ON idempotency BEGIN SELECT RAISE(ABORT, 'not today'); END"


async def test_a_fault_is_told_and_the_next_turn_comes(
    store: SQLiteStore, database: Database, clock: HandClock
) -> None:
    clock.advance(7 * 24 * 3600)
    await database.write(lambda connection: connection.execute(_EXPIRED))
    await database.write(lambda connection: connection.execute(_REFUSING))
    with capture_logs() as logged:
        cleaning = asyncio.create_task(run_retention(store, clock, period_seconds=0))
        await until(lambda: len([line for line in logged if line["event"] == "retention_failed"]) > 1)
        await database.write(lambda connection: connection.execute("DROP TRIGGER refusing"))
        await until(lambda: any(line["event"] == "retention_forgot" for line in logged))
    cleaning.cancel()
    await asyncio.gather(cleaning, return_exceptions=True)
