"""Three instances under load while what they stand on breaks: nothing acknowledged is lost, and no client notices.

What must hold is what ``checker`` checks, whichever instance a client happens to talk to. After each plan all instances
must be ready and every client live within ten seconds.
"""

from __future__ import annotations

import os
import random
import secrets
from typing import TYPE_CHECKING

import pytest

from tests.fault.cluster_run import Step, run_and_check
from tests.fault.nemesis import FAULTS

if TYPE_CHECKING:
    from tests.e2e.cluster import Cluster

SECONDS = float(os.environ.get("SANCTUM_SECONDS", "60"))
"""How long ``make chaos`` lets faults come at random."""
ROUNDS = 2
LASTS = {"instance_paused": 10.0, "postgres_link_held": 12.0, "postgres_link_half_open": 12.0}
"""Faults that take longer to be noticed than others, in seconds."""

SHORT = [
    Step("redis_flushed", 1.5, 0.0),
    Step("instance_killed", 0.5),
    Step("postgres_backends_terminated", 1.0, 0.5),
    Step("redis_link_cut", 1.0, 0.5),
    Step("instance_paused", 1.5, 0.5),
    Step("postgres_restarted", 0.3),
]


@pytest.mark.timeout(300)
async def test_a_cluster_keeps_its_promises_through_a_few_faults(cluster: Cluster) -> None:
    print(await run_and_check(cluster, SHORT, seed=1))  # noqa: T201 - shown by `pytest -rP`


@pytest.mark.chaos
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_cluster_keeps_its_promises_through(cluster: Cluster, fault: str) -> None:
    seed = _seed()
    steps = [Step(fault, LASTS.get(fault, 4.0)) for _ in range(ROUNDS)]
    print(await run_and_check(cluster, steps, seed=seed))  # noqa: T201 - as above


@pytest.mark.chaos
@pytest.mark.timeout(1_200)
async def test_a_cluster_keeps_its_promises_through_faults_at_random(cluster: Cluster) -> None:
    seed = _seed()
    draw = random.Random(seed)
    steps: list[Step] = []
    while sum(step.seconds + step.pause_seconds for step in steps) < SECONDS:
        steps.append(Step(draw.choice(list(FAULTS)), draw.uniform(0.2, 4.0), draw.uniform(0.0, 1.5)))
    print(await run_and_check(cluster, steps, seed=seed))  # noqa: T201 - as above


def _seed() -> int:
    """Take the seed that was asked for, or a new one; a failure names it."""
    return int(os.environ.get("SANCTUM_SEED", "0")) or secrets.randbits(32)
