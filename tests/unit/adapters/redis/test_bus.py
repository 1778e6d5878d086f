from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.redis.bus import RedisBus
from sanctum_messaging.adapters.redis.contents import encode_event, encode_row
from sanctum_messaging.adapters.redis.envelope import Envelopes, Header, Kind
from tests.conftest import HandClock
from tests.unit.adapters.redis.happened import TAKEOVER, TYPING, committed, event_at
from tests.unit.adapters.redis.hearing import CALM, CHANNEL, KEY, LOG, Hearing, Instance, running, until

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from sanctum_messaging.domain.events import Committed


async def test_what_one_instance_appends_reaches_the_other_in_order(here: Instance, there: Instance) -> None:
    batches = [committed(range(first, first + 3)) for first in range(1, 300, 3)]
    async with running(here, there):
        for batch in batches:
            here.bus.publish(batch)
        await until(lambda: there.hub.tail.position == 300)
    assert there.hub.events == [event for batch in batches for event in batch.events]
    assert there.hub.batches[0].before == batches[0].before


async def test_the_own_hub_hears_at_once_and_only_once(here: Instance, there: Instance) -> None:
    async with running(here, there):
        here.bus.publish(committed([1]))
        here.bus.signal(TYPING)
        here.bus.announce(TAKEOVER)
        assert (len(here.hub.batches), len(here.hub.signals), len(here.hub.takeovers)) == (1, 1, 1)
        await until(lambda: here.bus.counts.dropped_own == 3)
    assert (len(here.hub.batches), len(here.hub.signals), len(here.hub.takeovers)) == (1, 1, 1)
    assert not here.bus.counts.rejected.total()


async def test_commits_that_wait_together_travel_together(here: Instance, there: Instance) -> None:
    async with running(here, there):
        for position in range(1, 101):
            here.bus.publish(committed([position]))
        await until(lambda: there.hub.tail.position == 100)
    assert here.bus.counts.published == there.bus.counts.received == 1
    assert here.bus.counts.published_events == there.bus.counts.received_events == 100


async def test_a_batch_whose_events_were_applied_is_dropped_unopened(here: Instance, there: Instance) -> None:
    async with running(here, there):
        there.hub.apply(committed(range(1, 11)))
        here.bus.publish(committed(range(5, 11)))
        await until(lambda: there.bus.counts.dropped_applied == 1)
        here.bus.publish(committed([10, 11]))
        await until(lambda: there.hub.tail.position == 11)
    assert there.bus.counts.received == 1


async def test_signals_carry_the_tail_of_their_sender(here: Instance, there: Instance) -> None:
    async with running(here, there):
        here.bus.publish(committed(range(1, 8)))
        here.bus.signal(TYPING)
        here.bus.signal(replace(TYPING, on=False))
        await until(lambda: len(there.hub.signals) == 2)
    assert there.hub.signals == [(TYPING, 7), (replace(TYPING, on=False), 7)]
    assert there.hub.tail.position == 7
    assert here.hub.signals == [(TYPING, 7), (replace(TYPING, on=False), 7)]


async def test_takeovers_reach_the_others(here: Instance, there: Instance) -> None:
    async with running(here, there):
        here.bus.announce(TAKEOVER)
        await until(lambda: there.hub.takeovers == [TAKEOVER])


async def test_logs_that_share_a_redis_hear_nothing_of_one_another(here: Instance, redis: Redis) -> None:
    other = Instance(redis, "other", log_id="log-2", settings=CALM)
    async with running(here, other):
        here.bus.publish(committed([1]))
        await until(lambda: here.bus.counts.dropped_own == 1)
        other.bus.publish(committed([1]))
        await until(lambda: other.bus.counts.dropped_own == 1)
    assert not other.bus.counts.rejected.total()
    assert len(other.hub.batches) == 1


async def test_before_it_runs_nothing_but_the_own_hub_is_told(redis: Redis, here: Instance) -> None:
    here.bus.publish(committed([1]))
    assert len(here.hub.batches) == 1
    assert not here.bus.healthy
    unattached = RedisBus(redis, HandClock(), log_id=LOG, key=KEY, instance="x")
    with pytest.raises(RuntimeError, match="attached"):
        unattached.publish(committed([1]))
    with pytest.raises(ValueError, match="key"):
        RedisBus(redis, HandClock(), log_id=LOG, key=b"", instance="x")


async def test_a_subscription_begins_with_a_sweep(here: Instance) -> None:
    async with running(here):
        assert here.hub.sweeps == 1
    assert here.hub.sweeps == 2, "it knows nothing any more"


async def test_a_burst_leaves_the_event_loop_to_others_every_few_milliseconds(redis: Redis, there: Instance) -> None:
    elsewhere = Envelopes(log_id=LOG, key=KEY, instance="elsewhere")
    slow_hub = SlowHub()
    there.bus.attach(slow_hub)
    applied = [0]
    async with running(there), redis.pipeline(transaction=False) as burst:
        for position in range(1, 201):
            content = encode_row([encode_event(event_at(position))])
            burst.publish(CHANNEL, elsewhere.seal(Header(Kind.EVENTS, position, position), content))
        sent = asyncio.ensure_future(burst.execute())
        while applied[-1] < 200:
            await asyncio.sleep(0)
            applied.append(len(slow_hub.batches))
        await sent
    assert max(after - before for before, after in itertools.pairwise(applied)) < 10


class SlowHub(Hearing):
    """Takes 2 ms to apply a batch."""

    def apply(self, committed: Committed) -> None:
        until = time.perf_counter() + 0.002
        while time.perf_counter() < until:
            pass
        super().apply(committed)


async def test_it_ends_when_it_is_cancelled_at_whatever_moment(here: Instance) -> None:
    for turns in range(80):
        task = asyncio.create_task(here.bus.run())
        here.bus.signal(TYPING)
        for _ in range(turns % 40):
            await asyncio.sleep(0)
        await until(lambda: here.bus.healthy) if turns % 2 else None
        here.bus.signal(TYPING)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.cancelled()
        assert not here.bus.healthy
