"""Another server takes over behind the same address, and the one before lives on as its replica: nobody stays there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest
from redis.exceptions import NoPermissionError
from structlog.testing import capture_logs

from sanctum_messaging.adapters.redis.connection import open_redis
from tests.servers.proxy import Proxy
from tests.servers.valkey import ValkeyServer, open_valkey
from tests.unit.adapters.redis.happened import committed
from tests.unit.adapters.redis.hearing import CALM, Instance, running, until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from redis.asyncio import Redis


class Address(NamedTuple):
    """What leads to ``first``, until it is demoted in favour of ``second``."""

    proxy: Proxy
    first: ValkeyServer
    second: ValkeyServer
    redis: Redis

    def demote(self) -> None:
        self.first.run("REPLICAOF", "127.0.0.1", str(self.second.port))
        self.proxy.repoint(self.second.port)


@pytest.fixture
async def address() -> AsyncGenerator[Address]:
    with open_valkey() as first, open_valkey() as second:
        async with Proxy(first.port) as proxy:
            redis = open_redis(proxy.url(first.url))
            yield Address(proxy, first, second, redis)
            await redis.aclose()


async def test_what_a_replica_refuses_is_done_by_the_one_that_took_over(address: Address) -> None:
    script = address.redis.register_script("return redis.call('SET', KEYS[1], ARGV[1])")
    await script(keys=["key"], args=["before"])
    address.demote()
    await script(keys=["key"], args=["after"])
    assert await address.redis.get("key") == b"after"


@pytest.mark.parametrize("transaction", [False, True])
async def test_several_commands_go_there_too(address: Address, *, transaction: bool) -> None:
    await address.redis.set("key", "before")
    address.demote()
    async with address.redis.pipeline(transaction=transaction) as pipeline:
        pipeline.set("key", "after")
        pipeline.get("key")
        assert await pipeline.execute() == [True, b"after"]


async def test_what_is_published_reaches_those_who_are_there(address: Address) -> None:
    direct = open_redis(address.second.url)
    moved, there = Instance(address.redis, "moved", settings=CALM), Instance(direct, "there", settings=CALM)
    async with running(moved, there):
        address.demote()
        await until(lambda: moved.bus._publisher._outage.failures > 0)
        moved.bus.publish(committed([1]))
        await until(lambda: there.hub.tail.position == 1)
    await direct.aclose()


async def test_a_replica_is_no_place_to_publish_even_if_there_is_no_other(address: Address) -> None:
    address.demote()
    address.proxy.repoint(address.first.port)
    lost = Instance(address.redis, "lost", settings=replace(CALM, beat_seconds=60.0))
    outage = lost.bus._publisher._outage
    with capture_logs() as lines:
        task = asyncio.create_task(lost.bus.run())
        for failures in range(5):
            lost.bus.publish(committed([failures + 1]))
            await until(lambda: outage.failures > failures)  # noqa: B023 - awaited in the loop
        task.cancel()
        await asyncio.wait([task])
    assert lost.bus.counts.published == 0
    assert [line["event"] for line in lines if line["part"] == "bus_publisher"] == ["redis_unavailable"]


async def test_who_may_not_ask_publishes_all_the_same(valkey_server: ValkeyServer, valkey_url: str) -> None:
    valkey_server.run("ACL", "SETUSER", "modest", "on", ">secret", "~*", "&*", "+@all", "-role")
    redis = open_redis(valkey_url.replace("redis://", "redis://modest:secret@"))
    with pytest.raises(NoPermissionError):
        await redis.role()
    instance = Instance(redis, "modest", settings=CALM)
    async with running(instance):
        instance.bus.publish(committed([1]))
        await until(lambda: instance.bus.counts.dropped_own == 1)
    assert instance.bus._publisher._outage.failures == 0
    await redis.aclose()
    valkey_server.run("ACL", "DELUSER", "modest")
