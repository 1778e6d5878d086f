"""The service for a long time under traffic of every kind: it takes no more of its machine at the end than before.

``make soak`` runs it for 20 minutes: on SQLite, or with ``ON=postgres`` three instances on PostgreSQL and Valkey.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, cast

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.server import Service
from tests.fault.checker import check
from tests.fault.recorder import Faulted, write_recording
from tests.fault.stored_log import read_stored_log
from tests.soak.ledger import SHOWN, ErrorLines, Ledger
from tests.soak.run import CONNECTIONS, Soak
from tests.soak.target import LIMITS
from tests.soak.vitals import Vitals, find_descriptors, find_trend, find_trends, read_vitals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.servers.postgres import PostgresServer
    from tests.servers.valkey import ValkeyServer

SECONDS = 60 * float(os.environ.get("SANCTUM_SOAK_MINUTES", "20"))
SOME = int(os.environ.get("SANCTUM_SOAK_CONNECTIONS", str(CONNECTIONS)))
LIMIT_SECONDS = 3 * SECONDS + 900


@pytest.mark.soak
@pytest.mark.timeout(LIMIT_SECONDS)
async def test_memory_stays_flat_on_sqlite(tmp_path: Path) -> None:
    service = Service(tmp_path / "data", environ=LIMITS)
    with _watched([service])[0]:
        await _soak([service], str(service.database_path), tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(LIMIT_SECONDS)
async def test_memory_stays_flat_on_postgres(
    tmp_path: Path, postgres_url: str, postgres_server: PostgresServer, valkey_url: str, valkey_server: ValkeyServer
) -> None:
    del valkey_url
    cluster = Cluster(
        tmp_path / "data", postgres=postgres_server, database_url=postgres_url, valkey=valkey_server, environ=LIMITS
    )
    services = _watched([each.service for each in cluster.instances])
    async with cluster:
        await _soak(services, postgres_url, tmp_path)


def _watched(services: list[Service]) -> list[Service]:
    for service in services:
        service.log = ErrorLines()  # type: ignore[assignment] # all that is asked of it is to take lines
    return services


async def _soak(services: Sequence[Service], database: str, folder: Path) -> None:
    outcome = await Soak(services, seconds=SECONDS, connections=SOME).run()
    print(f"\n{outcome.describe()}")  # noqa: T201 - it is what `make soak` is for
    lines = [cast("ErrorLines", service.log) for service in services]
    faults = [line for each in lines for line in each]
    if any(each.missed_redis for each in lines):
        outcome.recorder.note(Faulted(outcome.recorder.now, "redis_slow", mended=True))
    log = await asyncio.to_thread(read_stored_log, database)
    violations = check(outcome.recorder.entries, log)
    wrong = [*outcome.ledger.wrong, *faults, *map(str, violations)]
    if violations:
        write_recording(folder / "recording", outcome.recorder.entries)
    assert not wrong, f"{len(wrong)} in all:\n" + "\n".join(wrong[:SHOWN])
    grown = [f"{name}: {each}" for name, trends in outcome.trends.items() for each in trends if not each.is_flat]
    assert not grown, grown


def test_what_grows_is_seen_and_what_swings_is_not() -> None:
    times = [float(each) for each in range(400)]
    grows = find_trend("grows", times, [100 + each / 50 for each in times])
    swings = find_trend("swings", times, [100 + each % 7 for each in times])
    assert not grows.is_flat
    assert swings.is_flat
    assert grows.slope_per_hour == pytest.approx(72)


def test_a_process_is_seen_from_outside() -> None:
    seen = [read_vitals(os.getpid(), float(at)) for at in range(8)]
    resident, threads = find_trends(seen)
    assert resident.first > 1
    assert threads.first >= 1
    assert find_descriptors([seen]).first > 2


def test_clients_that_move_to_another_process_are_no_growth() -> None:
    here, there = ([Vitals(at, 1, 200 + sign * at, 1) for at in map(float, range(80))] for sign in (1, -1))
    assert find_descriptors([here, there]).is_flat
    assert not find_descriptors([here, here]).is_flat


def test_unexpected_answers_closes_and_lines_are_kept() -> None:
    ledger, lines = Ledger(), ErrorLines()
    ledger.note_answer("page", 200, (200,))
    ledger.note_close("the crowd", 1006, (1006,))
    assert not ledger.wrong
    ledger.note_answer("page", 503, (200,))
    ledger.note_close("the crowd", 4003, (1006,))
    assert ledger.wrong == ["page was answered 503", "a socket of the crowd was closed with 4003"]
    lines.append("2026-11-23 [info     ] request")
    lines.append("2026-11-23 [error    ] request_failed")
    assert len(lines) == 1
    assert not lines.missed_redis
    lines.append("2026-11-23 [warning  ] redis_unavailable")
    assert lines.missed_redis
