"""What every audit log guarantees, by the database itself."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import apsw
import asyncpg
import pytest

from sanctum_messaging.adapters.postgres.audit import PostgresAudit
from sanctum_messaging.adapters.postgres.store import PostgresStore
from sanctum_messaging.adapters.sqlite.audit import SQLiteAudit
from sanctum_messaging.adapters.sqlite.database import Database as SQLiteDatabase
from sanctum_messaging.adapters.sqlite.store import SQLiteStore
from sanctum_messaging.domain.model import Millis
from sanctum_messaging.ports.audit import AUDIT_KEPT_MS, AuditQuery
from tests.postgres_database import opened
from tests.support import audit_entry, user

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from sanctum_messaging.ports.audit import AuditEntry, AuditLog
    from sanctum_messaging.ports.store import Store
    from tests.conftest import HandClock

REFUSALS = (apsw.ConstraintError, asyncpg.RaiseError)
LONG_AGO = Millis(1_700_000_000_000)


class Place(NamedTuple):
    """The log, the store that forgets what is past its time, and a way to run any statement."""

    log: AuditLog
    store: Store
    run: Callable[[str], Awaitable[object]]


@pytest.fixture
async def audited(place: SQLiteDatabase | str, clock: HandClock) -> AsyncGenerator[Place]:
    if isinstance(place, SQLiteDatabase):
        yield Place(SQLiteAudit(place), SQLiteStore(place, clock), lambda sql: place.write(lambda c: c.execute(sql)))
        return
    async with opened(place) as database:
        yield Place(PostgresAudit(database), PostgresStore(database, clock), database.write)


def entry(number: int, at: int = LONG_AGO) -> AuditEntry:
    return audit_entry(number, at)


async def everything(log: AuditLog) -> list[AuditEntry]:
    return list(await log.read(AuditQuery(Millis(0), None, 1_000)))


def present() -> int:
    return time.time_ns() // 1_000_000


async def test_what_was_added_is_read_as_it_was(audited: Place) -> None:
    full = replace(
        entry(2), act_as=user("Éowyn"), token_id="jti 🙂", address="2001:db8::1", action="send", request_id="r-1"
    )
    await audited.log.append([entry(1), full])
    await audited.log.append([])

    assert await everything(audited.log) == [entry(1), full]


async def test_the_newest_are_read_in_order_since_a_time_and_of_a_user(audited: Place) -> None:
    entries = [entry(number, LONG_AGO + number) for number in range(6)]
    entries[2] = replace(entries[2], bearer=user("other"))
    entries[4] = replace(entries[4], act_as=user("ann"))
    await audited.log.append(entries[3:])
    await audited.log.append(entries[:3])

    assert await everything(audited.log) == entries
    assert await audited.log.read(AuditQuery(Millis(LONG_AGO + 3), None, 9)) == entries[3:]
    assert await audited.log.read(AuditQuery(Millis(0), None, 2)) == entries[4:]
    assert await audited.log.read(AuditQuery(Millis(0), user("other"), 9)) == [entries[2]]
    assert await audited.log.read(AuditQuery(Millis(0), user("ann"), 9)) == [entries[4]]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET bearer = 'somebody else'",
        "UPDATE audit SET at = 1",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE bearer = 'backend'",
    ],
)
async def test_the_database_refuses_to_change_or_delete(audited: Place, statement: str) -> None:
    await audited.log.append([entry(1, present())])

    with pytest.raises(REFUSALS, match="the audit log is"):
        await audited.run(statement)

    assert len(await everything(audited.log)) == 1


async def test_the_database_refuses_to_change_what_is_old_too(audited: Place) -> None:
    await audited.log.append([entry(1)])

    with pytest.raises(REFUSALS, match="the audit log is not changed"):
        await audited.run("UPDATE audit SET bearer = 'somebody else'")


async def test_sqlite_refuses_to_replace(database: SQLiteDatabase) -> None:
    log = SQLiteAudit(database)
    await log.append([entry(1)])

    with pytest.raises(apsw.ConstraintError, match="the audit log is not changed"):
        await database.write(lambda c: c.execute("INSERT OR REPLACE INTO audit SELECT * FROM audit"))


async def test_postgres_refuses_to_empty_it_and_adds_a_repeat_once(migrated_url: str) -> None:
    async with opened(migrated_url) as database:
        log = PostgresAudit(database)
        await log.append([entry(1)])
        await log.append([entry(1), entry(2)])
        with pytest.raises(asyncpg.RaiseError, match="the audit log is not changed"):
            await database.write("TRUNCATE audit")
        assert await everything(log) == [entry(1), entry(2)]


async def test_retention_forgets_what_is_past_its_time(audited: Place) -> None:
    now = present()
    kept = entry(3, now - AUDIT_KEPT_MS + 60_000)
    await audited.log.append([entry(1), entry(2, now - AUDIT_KEPT_MS - 60_000), kept])

    assert await audited.store.forget_expired(Millis(now)) == 2

    assert await everything(audited.log) == [kept]


async def test_a_clock_that_is_ahead_forgets_nothing_before_its_time(audited: Place) -> None:
    young = entry(1, present())
    await audited.log.append([young])

    assert await audited.store.forget_expired(Millis(present() + 2 * AUDIT_KEPT_MS)) == 0

    assert await everything(audited.log) == [young]
