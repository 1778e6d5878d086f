from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.sqlite import forgetting
from sanctum_messaging.adapters.sqlite import store as sqlite_store
from sanctum_messaging.adapters.sqlite.audit import SQLiteAudit
from sanctum_messaging.adapters.sqlite.resume_store import SQLiteResumeStore
from sanctum_messaging.adapters.sqlite.revocations import SQLiteRevocations
from sanctum_messaging.domain.model import Cursor, DeviceId, Position, SessionId
from sanctum_messaging.domain.revocation import NewRevocation, RevocationKind
from sanctum_messaging.ports.log import Answer, Idempotency
from sanctum_messaging.ports.resume_store import ResumeState
from tests.support import TENANT, Arranged, audit_entry, user

if TYPE_CHECKING:
    from sanctum_messaging.adapters.sqlite.database import Database
    from tests.conftest import HandClock

ANN, PHONE, SESSION = user("ann"), DeviceId("phone"), SessionId("s1")
DAY_S = 24 * 3600


async def fill(database: Database, clock: HandClock) -> None:
    """Have five of everything that is past its time some day, beside the newest revocation, which stays."""
    arranged = Arranged(sqlite_store.SQLiteStore(database, clock))
    resumes, revocations = SQLiteResumeStore(database, clock), SQLiteRevocations(database, clock)
    state = ResumeState(TENANT, ANN, PHONE, SESSION, Cursor(Position(1), "0000abcd"), 1)
    for number in range(5):
        await arranged.keep(Idempotency(ANN, str(number), "print"), Answer(created=True))
        await resumes.persist(f"id{number}.1.secret", state, DAY_S)
    for _ in range(6):
        await revocations.add(NewRevocation(TENANT, RevocationKind.USER, ANN, clock.now()))
    await SQLiteAudit(database).append([audit_entry(number, clock.now()) for number in range(5)])


@pytest.fixture
async def expired(database: Database, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> Database:
    """All of it is past its time, and a portion is two."""
    monkeypatch.setattr(forgetting, "PORTION", 2)
    await fill(database, clock)
    clock.advance(90 * DAY_S)
    return database


async def test_no_transaction_deletes_more_than_a_portion(expired: Database, clock: HandClock) -> None:
    for forget in sqlite_store._FORGETTING:
        work = partial(forget, now=clock.now())
        assert [await expired.write(work) for _ in range(4)] == [2, 2, 1, 0], forget


async def test_the_store_goes_on_until_nothing_is_left(expired: Database, clock: HandClock) -> None:
    assert await sqlite_store.SQLiteStore(expired, clock).forget_expired(clock.now()) == 20
