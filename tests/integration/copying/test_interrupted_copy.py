"""A copy that ended at any moment goes on there."""

from __future__ import annotations

import pytest

from sanctum_messaging.adapters.postgres.copy_target import CopyFailedError
from tests.integration.copying.embedded_installation import Embedded
from tests.integration.copying.running import (
    assert_not_served,
    copy,
    count_chunks,
    count_rows,
    find_installation,
    interrupt_copy,
    run_sql,
)


async def test_a_copy_that_ended_after_any_chunk_goes_on_there(embedded: Embedded, postgres_url: str) -> None:
    chunks = count_chunks(embedded.path)
    assert chunks > 20
    copied = []
    for _ in range(chunks):
        await interrupt_copy(embedded.path, postgres_url, chunks=1)
        copied += await run_sql(postgres_url, "SELECT copied FROM copy_progress")
    await assert_not_served(postgres_url)
    # All that follows is the verification, which begins anew.
    for verified in (1, chunks // 2, chunks):
        await interrupt_copy(embedded.path, postgres_url, chunks=verified)
        await assert_not_served(postgres_url)

    transferred = await copy(embedded.path, postgres_url)

    assert copied == sorted(set(copied)), "a chunk was copied twice, or none"
    assert await count_rows(postgres_url) == {name: rows for name, (rows, _) in transferred.tables.items()}
    assert copied[-1][0] == sum(rows for rows, _ in transferred.tables.values())
    await find_installation(postgres_url)


async def test_a_chunk_that_failed_half_way_is_copied_whole(embedded: Embedded, migrated_url: str) -> None:
    await run_sql(
        migrated_url,
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN IF NEW.position = 8 THEN RAISE 'no room'; END IF; RETURN NEW; END$$",
    )
    await run_sql(migrated_url, "CREATE TRIGGER fail BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION fail()")
    with pytest.raises(CopyFailedError, match="table event: PostgreSQL says: no room"):
        await copy(embedded.path, migrated_url)
    assert (await count_rows(migrated_url))["event"] == 6, "a part of a chunk was kept"

    await run_sql(migrated_url, "DROP TRIGGER fail ON event")
    transferred = await copy(embedded.path, migrated_url)

    assert (await count_rows(migrated_url))["event"] == transferred.tables["event"][0]


async def test_a_connection_that_is_lost_is_one_line(embedded: Embedded, migrated_url: str) -> None:
    await run_sql(
        migrated_url,
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN IF NEW.position = 8 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END$$",
    )
    await run_sql(migrated_url, "CREATE TRIGGER cut BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION cut()")
    with pytest.raises(CopyFailedError, match=r"^table event: "):
        await copy(embedded.path, migrated_url)

    await run_sql(migrated_url, "DROP TRIGGER cut ON event")
    await copy(embedded.path, migrated_url)
