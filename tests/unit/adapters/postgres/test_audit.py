"""A user of whom there are few entries is found among many, and no statement looks at more than a window of them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.postgres import audit
from sanctum_messaging.adapters.postgres.audit import PostgresAudit
from sanctum_messaging.domain.model import Millis
from sanctum_messaging.ports.audit import AuditQuery
from tests.support import audit_entry, user
from tests.unit.adapters.postgres.long_log import RecordedDatabase

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ANN, NOBODY = user("ann"), user("nobody")


ENTRIES = [audit_entry(number, 1_000 + number // 3, act_as=None if number % 5 else ANN) for number in range(21)]
"""Three are of one moment, and each fifth is Ann's."""


@pytest.fixture
async def database(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[RecordedDatabase]:
    """A log of 21 entries that is read in windows of 5."""
    monkeypatch.setattr(audit, "WINDOW", 5)
    database = RecordedDatabase(migrated_url)
    await PostgresAudit(database).append(ENTRIES)
    yield database
    await database.close()


async def test_windows_neither_lose_nor_double_an_entry(database: RecordedDatabase) -> None:
    for who, since, limit in itertools.product([ANN, None, NOBODY], [0, 1_003, 1_100], [1, 2, 3, 100]):
        wanted = [each for each in ENTRIES if each.at >= since and who in {None, each.bearer, each.act_as}]
        found = await PostgresAudit(database).read(AuditQuery(Millis(since), who, limit))
        assert list(found) == wanted[-limit:], (who, since, limit)


async def test_no_statement_looks_at_more_than_a_window(database: RecordedDatabase) -> None:
    assert await PostgresAudit(database).read(AuditQuery(Millis(0), NOBODY, 1)) == []
    reads = [arguments for statement, arguments in database.reads if statement == audit._READ]
    looked_at = [await database.read(audit._READ, *arguments[:4], None, 100) for arguments in reads]
    assert [len(rows) for rows in looked_at] == [5, 5, 5, 5, 1]
