"""Redis is lost in every way there is: the buses say so, come back by themselves, and have the database looked at."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from sanctum_messaging.adapters.redis.connection import open_redis
from sanctum_messaging.adapters.redis.settings import BusSettings
from tests.servers.proxy import Proxy
from tests.unit.adapters.redis.happened import TYPING, committed
from tests.unit.adapters.redis.hearing import CALM, QUICK, Instance, running, until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from redis.asyncio import Redis

    from tests.servers.valkey import ValkeyServer


@pytest.fixture
async def proxy(valkey_server: ValkeyServer, valkey_url: str) -> AsyncGenerator[Proxy]:
    async with Proxy(valkey_server.port) as proxy:
        yield proxy


@pytest.fixture
async def remote(proxy: Proxy, valkey_url: str) -> AsyncGenerator[Instance]:
    """Provide an instance whose link to Redis is the proxy."""
    client = open_redis(proxy.url(valkey_url))
    yield Instance(client, "remote", settings=QUICK)
    await client.aclose()


async def assert_delivers(sender: Instance, receiver: Instance) -> None:
    """Prove that a commit gets through, though one that was sent a moment too early may not."""
    await sender.healthy()
    await receiver.healthy()
    position = max(sender.hub.tail.position, receiver.hub.tail.position) + 1
    sender.bus.publish(committed([position]))
    await until(lambda: receiver.hub.tail.position == position)


async def test_a_killed_server_is_noticed_at_once_and_returned_to(
    here: Instance, there: Instance, valkey_server: ValkeyServer
) -> None:
    async with running(here, there):
        sweeps = there.hub.sweeps
        valkey_server.kill()
        await asyncio.gather(here.unhealthy(), there.unhealthy())
        assert there.hub.sweeps == sweeps + 1
        valkey_server.start()
        await assert_delivers(here, there)
        assert there.hub.sweeps == sweeps + 2
    assert there.bus.counts.reconnects == 1


async def test_a_paused_server_is_noticed_by_the_missing_echo(redis: Redis, valkey_server: ValkeyServer) -> None:
    here, there = Instance(redis, "here", settings=QUICK), Instance(redis, "there", settings=QUICK)
    async with running(here, there):
        valkey_server.pause()
        try:
            await asyncio.gather(here.unhealthy(), there.unhealthy())
            here.bus.publish(committed([1]))
        finally:
            valkey_server.resume()
        sweeps = there.hub.sweeps
        await assert_delivers(here, there)
        assert there.hub.sweeps > sweeps, "the first commit may have been published before anybody listened again"


def test_by_default_three_heartbeats_and_six_seconds_are_a_death() -> None:
    settings = BusSettings()
    assert settings.dead_seconds == 3 * settings.beat_seconds == 6


async def test_a_link_that_goes_silent_is_replaced(here: Instance, remote: Instance, proxy: Proxy) -> None:
    async with running(here, remote):
        proxy.to_client.hold()
        here.bus.publish(committed([1]))
        await remote.unhealthy()
        assert here.bus.healthy
        proxy.to_client.release()
        await assert_delivers(here, remote)
        assert remote.bus.counts.reconnects >= 1


async def test_half_open_connections_are_replaced(here: Instance, remote: Instance, proxy: Proxy) -> None:
    async with running(here, remote):
        proxy.lose("upstream")
        await remote.unhealthy()
        await assert_delivers(here, remote)
        await assert_delivers(remote, here)


async def test_a_link_that_takes_nothing_is_noticed_too(here: Instance, remote: Instance, proxy: Proxy) -> None:
    async with running(here, remote):
        proxy.to_upstream.hold()
        await remote.unhealthy()
        remote.bus.publish(committed([1]))
        await proxy.heal()
        await until(lambda: here.hub.tail.position == 1)
        await assert_delivers(here, remote)


async def test_an_address_where_nobody_is_costs_nothing_but_the_bus(remote: Instance, proxy: Proxy) -> None:
    proxy.refuse()
    task = asyncio.create_task(remote.bus.run())
    with capture_logs() as lines:
        remote.bus.publish(committed([1]))
        await until(lambda: remote.bus._publisher._outage.failures > 5)
        assert not remote.bus.healthy
        await proxy.accept()
        await remote.healthy()
    told = [line["part"] for line in lines if line["event"] == "redis_unavailable"]
    assert sorted(told) == ["bus_publisher", "bus_subscriber"]
    assert {line["part"] for line in lines if line["event"] == "redis_available"} == set(told)
    task.cancel()
    await asyncio.wait([task])


async def test_what_was_on_its_way_when_the_link_broke_is_sent_again(
    here: Instance, remote: Instance, proxy: Proxy
) -> None:
    outage, waiting = remote.bus._publisher._outage, remote.bus._outgoing._events
    async with running(here, remote):
        for first in range(1, 500, 100):
            failures = outage.failures
            proxy.to_upstream.hold()
            remote.bus.publish(committed(range(first, first + 50)))
            # Unless a heartbeat is held that was sent before.
            await until(lambda: not waiting or outage.failures > failures)  # noqa: B023 - awaited in the loop
            remote.bus.publish(committed(range(first + 50, first + 100)))
            proxy.cut()
            proxy.to_upstream.release()
            await until(lambda: here.hub.tail.position == first + 99)  # noqa: B023 - as above
    assert [event.position for event in here.hub.events] == list(range(1, 501))
    assert [batch.before.position for batch in here.hub.batches] == sorted(
        {b.before.position for b in here.hub.batches}
    )


async def test_subscribers_that_redis_throws_out_come_back(here: Instance, there: Instance, redis: Redis) -> None:
    async with running(here, there):
        await redis.client_kill_filter(_type="pubsub")
        await until(lambda: there.bus.counts.reconnects == here.bus.counts.reconnects == 1)
        await assert_delivers(here, there)


async def test_a_subscriber_that_redis_finds_too_slow_comes_back(remote: Instance, proxy: Proxy, redis: Redis) -> None:
    here, slow = Instance(redis, "here", settings=CALM), Instance(remote.redis, "slow", settings=CALM)
    # What a network has under way is not in Redis any more, so that it takes more than this until he is thrown out.
    await redis.config_set("client-output-buffer-limit", "pubsub 256k 0 0")
    try:
        async with running(here, slow):
            proxy.to_client.hold()
            body = "x" * 8_000
            position = 0
            while len(await redis.client_list(_type="pubsub")) == 2:
                for _ in range(100):
                    position += 1
                    here.bus.publish(committed([position], body))
                await until(lambda: here.bus.counts.published_events == position)  # noqa: B023 - awaited in the loop
            proxy.to_client.release()
            await until(lambda: slow.bus.counts.reconnects == 1)
            await assert_delivers(here, slow)
    finally:
        await redis.config_set("client-output-buffer-limit", "pubsub 32mb 8mb 60")


async def test_an_emptied_redis_is_no_matter(here: Instance, there: Instance, redis: Redis) -> None:
    async with running(here, there):
        await redis.flushall()
        await assert_delivers(here, there)
        assert there.bus.counts.reconnects == 0


async def test_what_waits_is_bounded_and_the_newest_is_kept(redis: Redis, there: Instance) -> None:
    here = Instance(redis, "here", settings=replace(CALM, max_events=100, max_hints=10))
    for position in range(1, 301):
        here.bus.publish(committed([position]))
        here.bus.signal(replace(TYPING, on=position > 290))
    assert here.hub.tail.position == 300
    async with running(there), running(here):
        await until(lambda: there.hub.tail.position == 300 and len(there.hub.signals) == 10)
    assert [event.position for event in there.hub.events] == list(range(201, 301))
    assert all(signal.on for signal, _ in there.hub.signals)
    assert here.bus.counts.overflow == 200 + 290
