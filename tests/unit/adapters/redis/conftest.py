"""A client of the tests' own Redis, and two instances that share a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.redis.connection import open_redis
from tests.unit.adapters.redis.hearing import CALM, Instance

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from redis.asyncio import Redis


@pytest.fixture
async def redis(valkey_url: str) -> AsyncGenerator[Redis]:
    client = open_redis(valkey_url)
    yield client
    await client.aclose()


@pytest.fixture
def here(redis: Redis) -> Instance:
    return Instance(redis, "here", settings=CALM)


@pytest.fixture
def there(redis: Redis) -> Instance:
    return Instance(redis, "there", settings=CALM)
