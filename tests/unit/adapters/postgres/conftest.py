"""Two instances on one database, and a session that looks at it from beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.postgres.migrate import apply_migrations
from sanctum_messaging.ports.log import Answer, Change
from tests.servers.proxy import Proxy
from tests.support import TENANT
from tests.unit.adapters.postgres.instances import Instance, Observer, instance_at

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.conftest import HandClock
    from tests.servers.postgres import PostgresServer


@pytest.fixture
async def one(postgres_url: str, clock: HandClock) -> AsyncGenerator[Instance]:
    await apply_migrations(postgres_url)
    async with instance_at(postgres_url, clock) as instance:
        yield instance


@pytest.fixture
async def other(one: Instance, postgres_url: str, clock: HandClock) -> AsyncGenerator[Instance]:
    async with instance_at(postgres_url, clock) as instance:
        yield instance


@pytest.fixture
async def proxy(postgres_server: PostgresServer) -> AsyncGenerator[Proxy]:
    async with Proxy(postgres_server.port) as proxy:
        yield proxy


@pytest.fixture
async def cuttable(one: Instance, proxy: Proxy, postgres_url: str, clock: HandClock) -> AsyncGenerator[Instance]:
    """One more instance, whose link to the database the test can break; its connection has the statements prepared."""
    async with instance_at(proxy.url(postgres_url), clock) as instance:
        await instance.store.append_messages([])
        await instance.store.append_change(Change(TENANT, (), (), Answer(created=False)))
        yield instance


@pytest.fixture
async def observer(one: Instance, postgres_url: str) -> AsyncGenerator[Observer]:
    async with Observer.at(postgres_url) as observer:
        yield observer
