"""What arrived otherwise than it left is noticed, and what can't leave is named."""

from __future__ import annotations

import pytest

from sanctum_messaging.adapters.postgres.copy_target import CopyFailedError
from sanctum_messaging.adapters.sqlite.copy_source import SourceDamagedError
from sanctum_messaging.bootstrap.copying.verification import DifferenceError
from tests.integration.copying.embedded_installation import Embedded
from tests.integration.copying.running import (
    assert_not_served,
    copy,
    count_chunks,
    interrupt_copy,
    run_in_file,
    run_sql,
)

DAMAGE = {
    "a text": ("UPDATE message SET body = body || '!' WHERE seq = 2 AND body IS NOT NULL", "differs"),
    "null for nothing": ("UPDATE message SET body = NULL WHERE body = ''", "differs"),
    "a switch": ("UPDATE participant SET hidden = true WHERE user_id = 'eve'", "differs"),
    "a number": ("UPDATE participant SET read_seq = read_seq + 1 WHERE user_id = 'ann'", "differs"),
    "a tag": ("UPDATE event SET tag = 'ffffffff' WHERE position = 5", "differs"),
    "a row less": ("DELETE FROM membership WHERE user_id = 'dan'", "is missing"),
    "the last row": ("DELETE FROM event WHERE position = (SELECT max(position) FROM event)", "is missing"),
    "the first row": ("DELETE FROM event WHERE position = 1", "is missing"),
    "a row more": ("INSERT INTO idempotency VALUES ('z', 'z', 'z', 'z', '{}', 1)", "is in PostgreSQL alone"),
    "a row more in between": ("INSERT INTO idempotency VALUES ('a', 'z', 'z', 'z', '{}', 1)", "is in PostgreSQL alone"),
    "the floor": ("UPDATE log_floor SET position = 1", "differs"),
    "a session": ("UPDATE resume_state SET generation = 9", "differs"),
}


@pytest.mark.parametrize(("statement", "fault"), DAMAGE.values(), ids=DAMAGE.keys())
async def test_what_arrived_otherwise_is_noticed(
    embedded: Embedded, migrated_url: str, statement: str, fault: str
) -> None:
    await interrupt_copy(embedded.path, migrated_url, chunks=count_chunks(embedded.path))
    assert await run_sql(migrated_url, f"{statement} RETURNING 1"), "nothing was damaged"

    with pytest.raises(DifferenceError, match=rf"^in table \w+ the row with the key \[.+\] {fault}$"):
        await copy(embedded.path, migrated_url)

    await assert_not_served(migrated_url)


async def test_what_postgres_cannot_hold_is_named(embedded: Embedded, migrated_url: str) -> None:
    run_in_file(
        embedded.path, "UPDATE message SET body = 'a' || char(0) || 'b' WHERE id = (SELECT max(id) FROM message)"
    )

    with pytest.raises(CopyFailedError, match=r'^table message: .*key \["message-\d+"\] holds U\+0000'):
        await copy(embedded.path, migrated_url)


@pytest.mark.parametrize("value", ["many", 1.5, b"\x00\xff"])
async def test_what_was_never_written_is_one_line(embedded: Embedded, migrated_url: str, value: str | bytes) -> None:
    run_in_file(embedded.path, "UPDATE conversation SET version = ? WHERE direct_key IS NOT NULL", value)

    with pytest.raises(CopyFailedError, match=r"^table conversation: .*(does not fit|neither text nor a number)"):
        await copy(embedded.path, migrated_url)


async def test_text_that_is_none_is_named(embedded: Embedded, migrated_url: str) -> None:
    run_in_file(
        embedded.path, "UPDATE message SET body = CAST(x'61ff' AS TEXT) WHERE id = (SELECT max(id) FROM message)"
    )

    with pytest.raises(SourceDamagedError, match="table message can't be read behind the key"):
        await copy(embedded.path, migrated_url)
