"""An instance that ends while its database says nothing."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.postgres import lanes
from sanctum_messaging.bootstrap import instance
from tests.integration.calling import open_api

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.integration.calling import Api
    from tests.servers.postgres import PostgresServer

PATIENCE_SECONDS = 60


async def test_it_waits_for_no_answer_that_nobody_waits_for(
    tmp_path: Path, postgres_server: PostgresServer, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((lanes, "CLOSE_SECONDS"), (lanes, "GOODBYE_SECONDS"), (instance, "LAST_WRITES_SECONDS")):
        monkeypatch.setattr(module, name, 0.05)
    monkeypatch.setattr(lanes, "ANSWER_SECONDS", 2 * PATIENCE_SECONDS)
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with open_api(tmp_path, DATABASE_URL=migrated_url) as api:
            conversation = await api.user("ann").create("bob")
            postgres_server.pause()
            sending = asyncio.create_task(api.user("ann").send(conversation))
            await appending(api)
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending


async def appending(api: Api) -> None:
    """Wait until an append is on its way to the database."""
    while True:
        if 'sanctum_database_connections_busy{lane="append"} 1.0' in (await api.nobody.get("/metrics")).text:
            return
        await asyncio.sleep(0.01)
