"""Migrations run beside the traffic, one runner at a time, each whole or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.postgres import migrate
from sanctum_messaging.adapters.postgres.connecting import DatabaseRefusedError
from sanctum_messaging.adapters.postgres.durability import find_risks
from sanctum_messaging.adapters.postgres.installation import read_installation
from sanctum_messaging.adapters.postgres.migrate import apply_migrations, find_unapplied, migrations
from sanctum_messaging.adapters.sql.migrations import Migration, MigrationError
from tests.postgres_database import opened
from tests.unit.adapters.postgres.instances import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.postgres import PostgresServer
    from tests.unit.adapters.postgres.instances import Instance

    Adding = Callable[..., None]

NEXT = len(migrations()) + 1
_WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'message'::regclass"


@pytest.fixture
def adding(monkeypatch: pytest.MonkeyPatch) -> Adding:
    """Return what makes this program one that has more migrations."""
    present = migrations()

    def add(*texts: str) -> None:
        more = [Migration(number, f"{number:04}_more.sql", text) for number, text in enumerate(texts, NEXT)]
        monkeypatch.setattr(migrate, "migrations", lambda: [*present, *more])

    return add


async def test_an_empty_database_is_brought_to_the_present(postgres_url: str) -> None:
    names = [migration.name for migration in migrations()]
    assert [migration.name for migration in await find_unapplied(postgres_url)] == names
    assert await apply_migrations(postgres_url) == names
    assert await find_unapplied(postgres_url) == []
    assert await apply_migrations(postgres_url) == []


async def test_of_two_runners_one_finds_nothing_to_do(postgres_url: str) -> None:
    runs = await asyncio.gather(*(apply_migrations(postgres_url) for _ in range(3)))
    assert sorted(map(len, runs)) == [0, 0, len(migrations())]


async def test_a_migration_that_fails_leaves_nothing_but_those_before_it(
    one: Instance, postgres_url: str, adding: Adding, observer: Observer
) -> None:
    adding("CREATE TABLE first_one (n int)", "CREATE TABLE second_one (n int); SELECT nonsense", "SELECT 1")
    with pytest.raises(MigrationError, match=f'{NEXT + 1:04}_more.sql failed: column "nonsense" does not exist'):
        await apply_migrations(postgres_url)
    assert len(await find_unapplied(postgres_url)) == 2
    assert await observer.count("first_one") == 0
    assert await observer.connection.fetchval("SELECT to_regclass('second_one')") is None


async def test_a_migration_lets_the_traffic_pass_and_tries_again(
    one: Instance, postgres_url: str, adding: Adding, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "_SETTINGS", "SET lock_timeout = '50ms'")
    conversation = await one.arranged.create("ann", "bob")
    adding("ALTER TABLE message ADD COLUMN extra text")
    async with observer.connection.transaction():
        await observer.count("message")
        running = asyncio.create_task(apply_migrations(postgres_url))
        for _ in range(2):
            await observer.until(lambda: _waits(observer, 1))
            await one.arranged.send(conversation, "bob")
            await observer.until(lambda: _waits(observer, 0))
    assert await running == [f"{NEXT:04}_more.sql"]
    await one.arranged.send(conversation, "bob")


async def test_a_migration_that_never_gets_in_says_so(
    one: Instance, postgres_url: str, adding: Adding, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "_SETTINGS", "SET lock_timeout = '10ms'")
    monkeypatch.setattr(migrate, "TRIES", 2)
    adding("ALTER TABLE message ADD COLUMN extra text")
    async with observer.connection.transaction():
        await observer.count("message")
        with pytest.raises(MigrationError, match="found no moment without long transactions"):
            await apply_migrations(postgres_url)


async def test_an_index_is_built_while_another_runner_waits(one: Instance, postgres_url: str, adding: Adding) -> None:
    adding(
        "-- runs with: 0001\n-- no transaction\n"
        "DROP INDEX CONCURRENTLY IF EXISTS extra;\n"
        "CREATE INDEX CONCURRENTLY extra ON message (type);\n"
    )
    runs = await asyncio.gather(*(apply_migrations(postgres_url) for _ in range(3)))
    assert sorted(map(len, runs)) == [0, 0, 1]


async def test_an_edited_file_is_noticed(one: Instance, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *rest = migrations()
    monkeypatch.setattr(migrate, "migrations", lambda: [replace(first, sql=first.sql + "\n"), *rest])
    with pytest.raises(MigrationError, match="was edited after it had been applied"):
        await find_unapplied(postgres_url)


@pytest.mark.parametrize(("header", "runs"), [(f"-- runs with: {NEXT - 1:04}\n", True), ("", False)])
async def test_the_version_before_runs_on_a_newer_schema_that_says_so(
    one: Instance, postgres_url: str, adding: Adding, monkeypatch: pytest.MonkeyPatch, *, header: str, runs: bool
) -> None:
    adding(f"{header}ALTER TABLE message ADD COLUMN extra text")
    await apply_migrations(postgres_url)
    monkeypatch.undo()
    if runs:
        assert await find_unapplied(postgres_url) == []
        await one.arranged.create("ann", "bob")
    else:
        with pytest.raises(MigrationError, match="made by a newer version"):
            await find_unapplied(postgres_url)


async def test_who_may_not_create_tables_is_told_so(postgres_server: PostgresServer, postgres_url: str) -> None:
    async with Observer.at(postgres_url) as observer:
        await observer.connection.execute("DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN")
        await observer.connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        with pytest.raises(MigrationError, match="permission denied for schema public"):
            await apply_migrations(postgres_url.replace("postgres@", "guest@"))
        await observer.connection.execute("DROP ROLE guest")


async def test_a_database_that_is_not_there_is_refused(postgres_server: PostgresServer) -> None:
    with pytest.raises(DatabaseRefusedError):
        await apply_migrations(postgres_server.url_of("nowhere"))


async def test_an_installation_keeps_its_names_and_each_has_its_own(one: Instance, other: Instance) -> None:
    installation = await read_installation(one.database)
    assert await read_installation(other.database) == installation
    assert len(installation.log_id) == 32
    assert len(installation.bus_key) == 64


async def test_settings_that_may_lose_commits_are_found(postgres_server: PostgresServer, postgres_url: str) -> None:
    async with opened(postgres_url) as database:
        assert await find_risks(database) == ("fsync_off", "full_page_writes_off")
    async with Observer.at(postgres_url) as observer:
        name = await observer.connection.fetchval("SELECT current_database()")
        await observer.connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    async with opened(postgres_url) as database:
        assert await find_risks(database) == ("fsync_off", "synchronous_commit_off", "full_page_writes_off")


async def _waits(observer: Observer, number: int) -> bool:
    return bool(await observer.connection.fetchval(_WAITS) == number)
