from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import apsw
import pytest

from sanctum_messaging.adapters.sql.migrations import Migration, MigrationError
from sanctum_messaging.adapters.sqlite import migrate
from sanctum_messaging.adapters.sqlite.database import Database, DatabaseLockedError, insert_rows
from sanctum_messaging.adapters.sqlite.migrate import apply_migrations, find_unapplied
from sanctum_messaging.domain.errors import UnavailableError

if TYPE_CHECKING:
    from pathlib import Path


def insert(connection: apsw.Connection) -> None:
    connection.execute("UPDATE installation SET probe = probe + 1")


async def probe_of(database: Database) -> object:
    return await database.read(lambda connection: connection.execute("SELECT probe FROM installation").get)


async def test_every_commit_is_flushed_and_only_the_writer_checkpoints(database: Database) -> None:
    assert database.writer.execute("PRAGMA synchronous").get == 2  # FULL
    assert database.writer.execute("PRAGMA journal_mode").get == "wal"
    assert database.writer.execute("PRAGMA auto_vacuum").get == 2  # INCREMENTAL
    assert await database.read(lambda connection: connection.execute("PRAGMA wal_autocheckpoint").get) == 0


async def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(UnavailableError):
        await database.read(insert)


async def test_a_read_sees_the_commit_before_it(database: Database) -> None:
    for expected in range(1, 20):
        await database.write(insert)
        assert await probe_of(database) == expected


async def test_a_failed_work_leaves_nothing_and_the_next_goes_on(database: Database) -> None:
    def fail(connection: apsw.Connection) -> None:
        insert(connection)
        message = "no"
        raise ValueError(message)

    with pytest.raises(ValueError, match="no"):
        await database.write(fail)
    await database.write(insert)
    assert await probe_of(database) == 1


async def test_rows_that_contradict_a_constraint_leave_nothing_and_the_next_go_on(database: Database) -> None:
    columns = "revocation (id, tenant, kind, value, not_before, created_at)"

    def add(connection: apsw.Connection, keys: tuple[int, ...]) -> None:
        insert(connection)
        insert_rows(connection, columns, [revoke(key) for key in keys])

    def revoke(key: int) -> tuple[object, ...]:
        return key, "t", "user", "it's", 0, None if key < 0 else 17

    for taken in (1, -1):
        with pytest.raises(apsw.ConstraintError):
            await database.write(partial(add, keys=(1, 2, taken)))
        assert await probe_of(database) == 0
    await database.write(partial(add, keys=(1, 2)))
    rows = await database.read(lambda connection: list(connection.execute("SELECT * FROM revocation")))
    assert rows == [revoke(1), revoke(2)]


async def test_a_refused_commit_leaves_nothing_and_the_next_goes_on(database: Database) -> None:
    def refuse() -> bool:
        return True

    database.writer.set_commit_hook(refuse)
    with pytest.raises(apsw.ConstraintError):
        await database.write(insert)
    database.writer.set_commit_hook(None)
    await database.write(insert)
    assert await probe_of(database) == 1


async def test_a_full_disk_is_unavailable(database: Database) -> None:
    database.writer.execute(f"PRAGMA max_page_count = {database.writer.execute('PRAGMA page_count').get}")
    fill = "INSERT INTO idempotency VALUES ('t', 'u', 'k', 'f', hex(zeroblob(100000)), 1)"
    with pytest.raises(UnavailableError) as refused:
        await database.write(lambda connection: connection.execute(fill))
    assert refused.value.code == "unavailable"


async def test_a_disk_that_fails_a_reader_is_unavailable_and_the_next_read_goes_on(database: Database) -> None:
    def fail(connection: apsw.Connection) -> None:
        # SQLite ends the transaction by itself where a page can't be read.
        connection.execute("ROLLBACK")
        raise apsw.IOError

    with pytest.raises(UnavailableError):
        await database.read_snapshot(fail)
    assert await database.read_snapshot(lambda connection: connection.execute("SELECT 1").get) == 1


def test_a_second_process_is_refused_and_told_who_has_it(database: Database) -> None:
    program = (
        "import sys; from pathlib import Path; from sanctum_messaging.adapters.sqlite.database import Database\n"
        "Database(Path(sys.argv[1])).open()"
    )
    second = subprocess.run(
        [sys.executable, "-c", program, str(database.path)], capture_output=True, text=True, check=False
    )
    assert "is in use by another process (pid " in second.stderr


def test_the_lock_is_given_back(tmp_path: Path) -> None:
    for _ in range(2):
        database = Database(tmp_path / "messaging.db")
        database.open()
        with pytest.raises(DatabaseLockedError):
            Database(tmp_path / "messaging.db").open()
        database.close()


def test_what_is_not_open_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        _ = Database(tmp_path / "messaging.db").writer


class TestMigrations:
    def test_are_applied_once(self, database: Database) -> None:
        assert apply_migrations(database.writer) == []
        assert find_unapplied(database.writer, migrate.migrations()) == []

    def test_a_new_one_is_pending_and_then_applied(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        more = [*migrate.migrations(), Migration(9998, "9998_more.sql", "CREATE TABLE more (one INTEGER)")]
        assert [each.name for each in find_unapplied(database.writer, more)] == ["9998_more.sql"]
        monkeypatch.setattr(migrate, "migrations", lambda: more)
        assert apply_migrations(database.writer) == ["9998_more.sql"]
        assert find_unapplied(database.writer, more) == []

    def test_a_broken_one_changes_nothing(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        broken = Migration(9998, "9998_broken.sql", "CREATE TABLE half (one INTEGER); SELECT * FROM nowhere")
        monkeypatch.setattr(migrate, "migrations", lambda: [broken])
        monkeypatch.setattr(migrate, "find_unapplied", lambda *_: [broken])
        with pytest.raises(apsw.SQLError):
            apply_migrations(database.writer)
        assert database.writer.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").get == 0

    def test_an_edited_file_is_noticed(self, database: Database) -> None:
        edited = [Migration(each.number, each.name, each.sql + " ") for each in migrate.migrations()]
        with pytest.raises(MigrationError, match="was edited"):
            find_unapplied(database.writer, edited)

    def test_a_newer_database_is_refused(self, database: Database) -> None:
        with pytest.raises(MigrationError, match="newer version"):
            find_unapplied(database.writer, [])


def test_a_folder_that_is_made_for_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    for folder, mode in ((tmp_path / "made", 0o700), (shared, 0o755)):
        database = Database(folder / "messaging.db")
        database.open()
        database.close()
        assert folder.stat().st_mode & 0o777 == mode


def test_a_file_that_is_made_is_for_its_owner_alone_in_whatever_folder(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        database = Database(tmp_path / "messaging.db")
        database.open()
        apply_migrations(database.writer)
        made = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
        database.close()
    finally:
        os.umask(before)
    assert made == {f"messaging.db{end}": 0o600 for end in ("", "-wal", "-shm", ".lock")}


def test_a_file_that_exists_keeps_the_rights_that_its_owner_chose(database: Database) -> None:
    database.close()
    database.path.chmod(0o640)
    database.open()
    assert database.path.stat().st_mode & 0o777 == 0o640
