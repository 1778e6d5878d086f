"""A cluster for each test that asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.servers.postgres import PostgresServer
    from tests.servers.valkey import ValkeyServer


@pytest.fixture
async def cluster(
    tmp_path: Path, postgres_url: str, postgres_server: PostgresServer, valkey_url: str, valkey_server: ValkeyServer
) -> AsyncIterator[Cluster]:
    del valkey_url
    opened = Cluster(tmp_path / "data", postgres=postgres_server, database_url=postgres_url, valkey=valkey_server)
    async with opened:
        yield opened
