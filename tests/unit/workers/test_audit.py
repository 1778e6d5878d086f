"""What a service does is on record first, or not done."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.sqlite.audit import SQLiteAudit
from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.model import Millis, UserId
from sanctum_messaging.ports.audit import AuditEntry, AuditQuery
from sanctum_messaging.workers import batcher
from sanctum_messaging.workers.audit import AuditWriter
from tests.acting import actor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.adapters.sqlite.database import Database
    from tests.conftest import HandClock

BACKEND = replace(actor("backend", service=True), impersonating=False, token_id="t1")
FOR_ANN = replace(BACKEND, user=UserId("ann"), subject=UserId("backend"), impersonating=True)


class Counted(SQLiteAudit):
    """A log that counts its commits, and can fail."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.commits = 0
        self.failure: Exception | None = None

    async def append(self, entries: Sequence[AuditEntry]) -> Sequence[None]:
        self.commits += 1
        if self.failure is not None:
            raise self.failure
        return await super().append(entries)


@pytest.fixture
def log(database: Database) -> Counted:
    return Counted(database)


async def written(log: SQLiteAudit) -> list[AuditEntry]:
    return list(await log.read(AuditQuery(Millis(0), None, 1_000)))


async def test_it_says_who_did_what_for_whom_and_from_where(log: Counted, clock: HandClock) -> None:
    writer = AuditWriter(log, clock)
    running = asyncio.create_task(writer.run())
    await writer.record(FOR_ANN, "POST /v1/messages", address="192.0.2.1", request_id="r1")
    await writer.record(BACKEND, "send")
    writer.close()
    await running

    first, second = sorted(await written(log), key=lambda each: each.action)
    assert (first.bearer, first.act_as, first.token_id, first.session) == ("backend", "ann", "t1", "backend-session")
    assert (first.address, first.action, first.request_id) == ("192.0.2.1", "POST /v1/messages", "r1")
    assert (first.at, first.tenant) == (clock.now(), "default")
    assert (second.act_as, second.address, second.request_id) == (None, None, "")
    assert writer.recorded == 2


async def test_many_share_a_commit_and_return_in_their_order(log: Counted, clock: HandClock) -> None:
    writer = AuditWriter(log, clock)
    done: list[int] = []

    async def use(number: int) -> None:
        await writer.record(BACKEND, "send")
        done.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(50):
            tasks.create_task(use(number))
        await asyncio.sleep(0)
        assert writer.queued == 50
        writer.close()
        tasks.create_task(writer.run())

    assert done == list(range(50))
    assert log.commits == 1
    assert len(await written(log)) == 50


@pytest.mark.parametrize("code", ["unavailable", "outcome_unknown"])
async def test_what_cannot_be_recorded_is_refused_as_not_done(log: Counted, clock: HandClock, code: str) -> None:
    log.failure = UnavailableError("It is down.", code=code)
    writer = AuditWriter(log, clock)
    running = asyncio.create_task(writer.run())

    with pytest.raises(UnavailableError) as refused:
        await writer.record(BACKEND, "send")

    assert refused.value.code == "unavailable"
    assert writer.recorded == 0
    writer.close()
    await running


async def test_too_many_that_wait_are_refused(log: Counted, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batcher, "MAX_QUEUED", 1)
    writer = AuditWriter(log, clock)
    waiting = asyncio.create_task(writer.record(BACKEND, "send"))
    await asyncio.sleep(0)

    with pytest.raises(UnavailableError) as refused:
        await writer.record(BACKEND, "send")

    assert refused.value.code == "overloaded"
    writer.close()
    await writer.run()
    await waiting
    assert len(await written(log)) == 1
