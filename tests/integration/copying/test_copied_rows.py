"""What is in PostgreSQL after a copy is what was in the file."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import apsw

from sanctum_messaging.adapters.postgres.revocations import PostgresRevocations
from sanctum_messaging.adapters.sql.tables import TABLES
from sanctum_messaging.adapters.sqlite.copy_source import open_source
from sanctum_messaging.domain.errors import InvalidError
from sanctum_messaging.domain.model import MessageId
from sanctum_messaging.domain.revocation import NewRevocation, RevocationKind
from sanctum_messaging.ports.log import Appended, AppendedMessage, Idempotency
from tests.integration.copying.embedded_installation import ANN, KEY, Embedded, open_embedded, read_everything
from tests.integration.copying.running import (
    copy,
    count_rows,
    find_installation,
    open_copy,
    run_in_file,
    run_sql,
)
from tests.postgres_database import opened
from tests.support import TENANT, Arranged

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import HandClock

EVERY_KIND = {
    "conversation.created",
    "conversation.updated",
    "conversation.deleted",
    "participant.added",
    "participant.updated",
    "participant.removed",
    "message.created",
    "message.updated",
    "message.deleted",
}

COLUMNS = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1"
ONLY_IN_POSTGRES = {"idempotency": {"attempt", "before"}}
"""What an append that is repeated there needs to know its own row by, and a copied row does without."""


async def test_what_is_read_of_the_copy_is_what_was_read_of_the_original(
    embedded: Embedded, postgres_url: str, clock: HandClock
) -> None:
    async with open_embedded(embedded.path, clock) as (original, _):
        expected = await read_everything(original, embedded.conversations)
    assert {event.kind.value for event in expected["log"]} == EVERY_KIND

    transferred = await copy(embedded.path, postgres_url)

    async with open_copy(postgres_url, clock) as (store, _):
        found = await read_everything(store, embedded.conversations)
    for name, value in expected.items():
        assert found[name] == value, name
    assert transferred.head == expected["head"]
    assert await count_rows(postgres_url) == {name: rows for name, (rows, _) in transferred.tables.items()}


async def test_what_was_done_once_stays_done_once(embedded: Embedded, migrated_url: str, clock: HandClock) -> None:
    await copy(embedded.path, migrated_url)

    async with open_copy(migrated_url, clock) as (store, _):
        repeats = [replace(draft, id=MessageId(f"{draft.id}-again")) for draft in embedded.repeats]
        batch = await store.append_messages(repeats)
        # The last two senders are in these conversations no more.
        assert [each.replayed for each in batch.results if isinstance(each, AppendedMessage)] == [True] * 4
        assert not batch.committed.events
        assert await store.find_idempotent(TENANT, KEY) == embedded.answer
        assert await Arranged(store).keep(KEY, embedded.answer) == Appended(embedded.answer, replayed=True)
        refused = await Arranged(store).keep(Idempotency(KEY.user_id, KEY.key, "another"), embedded.answer)
        assert isinstance(refused, InvalidError)


async def test_the_log_goes_on_where_it_ended(embedded: Embedded, migrated_url: str, clock: HandClock) -> None:
    transferred = await copy(embedded.path, migrated_url)

    async with open_copy(migrated_url, clock) as (store, _):
        before = await store.find_participation(TENANT, ANN.user, embedded.conversations[0])
        draft = Arranged(store).draft(embedded.conversations[0], "ann")
        batch = await store.append_messages([draft])
        event = batch.committed.events[0]
        assert batch.committed.before == transferred.head
        assert event.position == transferred.head.position + 1
        assert before is not None
        assert event.seq == before.conversation.last_seq + 1
        followed = await store.follow(transferred.head, limit=10)
        assert followed is not None
        assert list(followed) == [event]


async def test_the_token_before_the_newest_is_good_for_what_is_left_of_its_minute(
    embedded: Embedded, migrated_url: str, clock: HandClock
) -> None:
    await copy(embedded.path, migrated_url)

    async with open_copy(migrated_url, clock) as (_, resumes):
        clock.advance(59)
        assert await resumes.load(embedded.token_before, ANN) is not None
        clock.advance(1)
        assert await resumes.load(embedded.token_before, ANN) is None


async def test_the_newest_token_resumes(embedded: Embedded, migrated_url: str, clock: HandClock) -> None:
    await copy(embedded.path, migrated_url)

    async with open_copy(migrated_url, clock) as (store, resumes):
        found = await resumes.load(embedded.token, ANN)
        assert found is not None
        state, token = found
        assert state.generation == 3
        assert token.startswith("id1.3.")
        assert await store.check_cursor(state.cursor) == "ok"


async def test_the_installation_keeps_its_name_and_gets_a_key(embedded: Embedded, migrated_url: str) -> None:
    with open_source(embedded.path) as source:
        log_id = source.log_id

    await copy(embedded.path, migrated_url)

    installation = await find_installation(migrated_url)
    assert installation.log_id == log_id
    assert len(installation.bus_key) == 64


async def test_revocations_hold_and_go_on_where_they_ended(
    embedded: Embedded, migrated_url: str, clock: HandClock
) -> None:
    await copy(embedded.path, migrated_url)

    async with opened(migrated_url) as database:
        revocations = PostgresRevocations(database, clock)
        copied = await revocations.read_from(0, limit=10)
        assert [each.kind for each in copied] == list(RevocationKind)
        again = NewRevocation(TENANT, RevocationKind.USER, "bob", clock.now())
        assert (await revocations.add(again)).id == copied[-1].id + 1


async def test_a_log_that_was_cut_keeps_its_floor(embedded: Embedded, migrated_url: str, clock: HandClock) -> None:
    run_in_file(
        embedded.path, "UPDATE log_floor SET (position, tag) = (SELECT position, tag FROM event WHERE position = 9)"
    )
    run_in_file(embedded.path, "DELETE FROM event WHERE position <= 9")
    async with open_embedded(embedded.path, clock) as (original, _):
        expected = await read_everything(original, embedded.conversations)
    assert "too_old" in expected["cursors"]

    await copy(embedded.path, migrated_url)

    async with open_copy(migrated_url, clock) as (store, _):
        assert (await read_everything(store, embedded.conversations))["cursors"] == expected["cursors"]


async def test_an_installation_without_anything_is_copied_too(
    tmp_path: Path, migrated_url: str, clock: HandClock
) -> None:
    async with open_embedded(tmp_path / "empty.db", clock):
        pass

    transferred = await copy(tmp_path / "empty.db", migrated_url)

    assert str(transferred.head) == "0-00000000"
    async with open_copy(migrated_url, clock) as (store, _):
        assert (await store.read_head()).position == 0


async def test_the_file_is_not_changed(embedded: Embedded, migrated_url: str) -> None:
    before = hashlib.sha256(embedded.path.read_bytes()).hexdigest()

    await copy(embedded.path, migrated_url)

    assert hashlib.sha256(embedded.path.read_bytes()).hexdigest() == before


async def test_what_a_killed_service_left_in_its_wal_is_copied_and_stays_there(
    tmp_path: Path, migrated_url: str, clock: HandClock
) -> None:
    """A kill leaves commits in the WAL; here it is a copy of the files of a service that goes on."""
    killed = tmp_path / "killed" / "messaging.db"
    killed.parent.mkdir()
    wal = killed.with_name("messaging.db-wal")
    async with open_embedded(tmp_path / "messaging.db", clock) as (store, _):
        await Arranged(store).create("ann")
        for path in (killed, wal):
            path.write_bytes((tmp_path / path.name).read_bytes())
    before = killed.read_bytes(), wal.read_bytes()

    transferred = await copy(killed, migrated_url)

    assert transferred.tables["event"][0] == 1
    assert (killed.read_bytes(), wal.read_bytes()) == before


async def test_the_tables_have_the_columns_of_both_schemas(embedded: Embedded, migrated_url: str) -> None:
    """A column that comes later, and is not copied, is noticed here."""
    connection = apsw.Connection(str(embedded.path))
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables - {"installation", "migration"} == {table.name for table in TABLES}
    for table in TABLES:
        columns = list(connection.execute("SELECT name, pk FROM pragma_table_info(?)", (table.name,)))
        assert {name for name, _ in columns} == set(table.columns)
        found = {str(name): kind for name, kind in await run_sql(migrated_url, COLUMNS, table.name)}
        assert {name for name, kind in found.items() if kind == "boolean"} == set(table.switches)
        assert set(found) - set(table.columns) == ONLY_IN_POSTGRES.get(table.name, set())
    connection.close()


async def test_a_big_row_makes_a_chunk_of_its_own(embedded: Embedded) -> None:
    run_in_file(embedded.path, "UPDATE message SET body = printf('%.*c', 5000000, 'x') WHERE body IS NOT NULL")

    with open_source(embedded.path) as source:
        chunks = [len(rows) for table in TABLES if table.name == "message" for rows in source.read_chunks(table)]

    assert len(chunks) > 3
