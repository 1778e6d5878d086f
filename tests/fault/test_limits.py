"""I10: what a user may do he may do that often on all instances together, and hardly more while Redis is away."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.cluster import Cluster
from tests.fault.check_limits import ACCEPTED, REFUSED, Attempt, Outage, check_limits
from tests.fault.limits_run import BREAK, ENVIRON, LIMIT, Attack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.servers.postgres import PostgresServer
    from tests.servers.valkey import ValkeyServer

INTERVAL = LIMIT.interval_ms / 1000


@pytest.fixture
async def cluster(
    tmp_path: Path, postgres_url: str, postgres_server: PostgresServer, valkey_url: str, valkey_server: ValkeyServer
) -> AsyncIterator[Cluster]:
    del valkey_url
    opened = Cluster(
        tmp_path / "data",
        postgres=postgres_server,
        database_url=postgres_url,
        valkey=valkey_server,
        environ=ENVIRON,
    )
    async with opened:
        yield opened


async def test_limits_hold_across_instances_and_while_redis_is_killed(cluster: Cluster) -> None:
    async with Attack(cluster) as attack:
        await _be_refused_and_wait(attack, cluster)
        attack.begin()
        await attack.run_until_refused()
        await _check(attack)
        await _break(attack, cluster, "killed", seconds=0)
        await attack.run_until_refused()
        await _check(attack)


@pytest.mark.chaos
@pytest.mark.parametrize("fault", BREAK)
async def test_limits_hold_while_redis_is(cluster: Cluster, fault: str) -> None:
    async with Attack(cluster) as attack:
        attack.begin()
        await attack.run_for(1.5 * INTERVAL)
        await _check(attack)
        for seconds in (1.0, 0.3 * INTERVAL, 1.2 * INTERVAL):
            await _break(attack, cluster, fault, seconds=seconds)
            await _check(attack)
            await attack.run_for(1.5 * INTERVAL)
            await _check(attack)


async def _be_refused_and_wait(attack: Attack, cluster: Cluster) -> None:
    """Wait exactly as long as one instance says; then another one must accept."""
    here, there, _ = cluster.instances
    while (answer := await attack.send(here)).status == ACCEPTED:
        pass
    await asyncio.sleep(json.loads(answer.body)["retryAfterMs"] / 1000)
    last = await attack.send(there)
    await attack.end_phase()
    assert last.status == ACCEPTED or attack.outages, last


async def _break(attack: Attack, cluster: Cluster, fault: str, *, seconds: float) -> None:
    break_it, mend_it = BREAK[fault]
    await break_it(cluster)
    if fault != "emptied":
        await attack.run_until_decided_here()
    await attack.run_until_refused()
    await attack.run_for(seconds)
    await mend_it(cluster)
    await attack.run_until_asked()
    await attack.end_phase(emptied=fault == "emptied")


async def _check(attack: Attack) -> None:
    await attack.end_phase()
    found = list(check_limits(attack.attempts, LIMIT, attack.outages))
    assert not found, (found, attack.outages)


def _sends(count: int, *, begin: float, pause: float, status: int = ACCEPTED) -> list[Attempt]:
    return [Attempt(begin + pause * n, begin + pause * n + 0.001, status, "instance") for n in range(count)]


class TestChecker:
    def test_finds_nothing_wrong_with_a_burst_and_then_the_rate(self) -> None:
        pause = INTERVAL / LIMIT.max
        attempts = [*_sends(20, begin=0, pause=0), *_sends(50, begin=pause, pause=pause)]
        attempts += _sends(100, begin=0.01, pause=0.4, status=REFUSED)[1:20]
        assert not list(check_limits(attempts, LIMIT, []))

    @pytest.mark.parametrize(
        "attempts",
        [
            _sends(21, begin=0, pause=0.001),
            [*_sends(20, begin=0, pause=0), *_sends(30, begin=INTERVAL / 22, pause=INTERVAL / 22)],
            [*_sends(20, begin=0, pause=0), *_sends(21, begin=1.5 * INTERVAL, pause=0)],
        ],
        ids=["one too many", "too fast", "a burst too large later on"],
    )
    def test_catches_what_is_above(self, attempts: list[Attempt]) -> None:
        assert list(check_limits(attempts, LIMIT, []))

    def test_allows_one_further_burst_for_an_outage(self) -> None:
        outages = [Outage(0.3, 1.0)]
        assert not list(check_limits(_sends(40, begin=0, pause=0.02), LIMIT, outages))
        assert list(check_limits(_sends(43, begin=0, pause=0.02), LIMIT, outages))
        assert list(check_limits(_sends(40, begin=2, pause=0.02), LIMIT, outages))

    def test_catches_a_refusal_below_the_limit(self) -> None:
        refusal = Attempt(1, 1.001, REFUSED, "instance")
        assert not list(check_limits([*_sends(18, begin=0, pause=0), refusal], LIMIT, []))
        assert list(check_limits([*_sends(17, begin=0, pause=0), refusal], LIMIT, []))
        assert list(check_limits([*_sends(20, begin=-INTERVAL - 1, pause=0), refusal], LIMIT, []))

    def test_catches_every_other_answer(self) -> None:
        assert list(check_limits([Attempt(0, 1, 503, "instance")], LIMIT, [Outage(0, 1)]))
