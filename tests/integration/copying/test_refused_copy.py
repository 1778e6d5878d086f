"""Which databases take in no copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.postgres.copy_target import open_target
from sanctum_messaging.adapters.postgres.database import DatabaseRefusedError
from sanctum_messaging.adapters.sql.tables import TABLES
from tests.integration.copying.embedded_installation import Embedded, arrange, open_embedded
from tests.integration.copying.running import copy, interrupt_copy, open_copy, run_sql
from tests.support import Arranged

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import HandClock


async def test_a_source_that_went_on_is_refused(embedded: Embedded, migrated_url: str, clock: HandClock) -> None:
    await interrupt_copy(embedded.path, migrated_url, chunks=3)
    async with open_embedded(embedded.path, clock) as (store, _):
        await Arranged(store).send(embedded.conversations[0], "ann")

    with pytest.raises(DatabaseRefusedError, match="from before the source went on"):
        await copy(embedded.path, migrated_url)


async def test_an_unfinished_copy_of_another_installation_is_refused(
    embedded: Embedded, migrated_url: str, tmp_path: Path, clock: HandClock
) -> None:
    await interrupt_copy(embedded.path, migrated_url, chunks=3)
    another = await arrange(tmp_path / "another.db", clock)

    with pytest.raises(DatabaseRefusedError, match="another installation"):
        await copy(another.path, migrated_url)


@pytest.mark.parametrize("table", [table.name for table in TABLES if table.name != "log_floor"])
async def test_no_table_may_hold_anything(embedded: Embedded, migrated_url: str, tmp_path: Path, table: str) -> None:
    await copy(embedded.path, migrated_url)
    others = ", ".join(each.name for each in TABLES if each.name not in {table, "log_floor"})
    await run_sql(migrated_url, "ALTER TABLE audit DISABLE TRIGGER audit_is_not_emptied")
    await run_sql(migrated_url, f"TRUNCATE {others}")
    await run_sql(migrated_url, "UPDATE installation SET log_id = 'another'")

    with pytest.raises(DatabaseRefusedError, match="it holds an installation"):
        await copy(embedded.path, migrated_url)


async def test_a_copy_is_not_copied_again(embedded: Embedded, migrated_url: str) -> None:
    await copy(embedded.path, migrated_url)

    with pytest.raises(DatabaseRefusedError, match="this installation already"):
        await copy(embedded.path, migrated_url)


async def test_the_tables_of_others_are_refused(embedded: Embedded, postgres_url: str) -> None:
    await run_sql(postgres_url, "CREATE TABLE invoices ()")

    with pytest.raises(DatabaseRefusedError, match="'invoices'"):
        await copy(embedded.path, postgres_url)

    assert await run_sql(postgres_url, "SELECT to_regclass('installation')") == [(None,)]


async def test_what_an_extension_brings_is_nobodys(embedded: Embedded, postgres_url: str) -> None:
    await run_sql(postgres_url, "CREATE EXTENSION pg_stat_statements")

    await copy(embedded.path, postgres_url)


async def test_a_database_that_an_instance_runs_on_is_refused(
    embedded: Embedded, migrated_url: str, clock: HandClock
) -> None:
    async with open_copy(migrated_url, clock) as (store, _):
        await store.read_head()
        with pytest.raises(DatabaseRefusedError, match="an instance of the service runs on it"):
            await copy(embedded.path, migrated_url)


async def test_a_second_copy_into_a_database_is_refused(
    embedded: Embedded, postgres_url: str, tmp_path: Path, clock: HandClock
) -> None:
    another = await arrange(tmp_path / "another.db", clock)
    async with open_target(postgres_url):
        with pytest.raises(DatabaseRefusedError, match="another copy into it is under way"):
            await copy(another.path, postgres_url)
