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


TROUBLE = {
    "in the rows": "BEFORE INSERT ON event FOR EACH ROW WHEN (NEW.position = 8)",
    "in the progress": "BEFORE UPDATE ON copy_progress FOR EACH ROW WHEN (NEW.last_key = '[9]')",
    "in the commit": "AFTER INSERT ON event DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.position = 8)",
}
LOSS = "PERFORM pg_terminate_backend(pg_backend_pid())"


@pytest.mark.parametrize("fault", ["RAISE 'no room'", LOSS], ids=["a refusal", "a lost connection"])
@pytest.mark.parametrize("moment", TROUBLE.values(), ids=TROUBLE.keys())
async def test_a_chunk_that_failed_half_way_is_copied_whole(
    embedded: Embedded, migrated_url: str, moment: str, fault: str
) -> None:
    await run_sql(
        migrated_url,
        f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {fault}; RETURN NEW; END$$",
    )
    constraint = "CONSTRAINT" if "DEFERRABLE" in moment else ""
    await run_sql(migrated_url, f"CREATE {constraint} TRIGGER fail {moment} EXECUTE FUNCTION fail()")
    with pytest.raises(CopyFailedError, match=r"^table event: "):
        await copy(embedded.path, migrated_url)
    assert (await count_rows(migrated_url))["event"] == 6, "a part of a chunk was kept"

    await run_sql(migrated_url, "DROP FUNCTION fail CASCADE")
    transferred = await copy(embedded.path, migrated_url)

    assert (await count_rows(migrated_url))["event"] == transferred.tables["event"][0]
