"""The checker is worth what it catches: each promise is broken on purpose, in a recording where all were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import pytest

from tests.fault.broken_stories import BROKEN
from tests.fault.checker import check, main
from tests.fault.recorder import Call, Connected, Faulted, Marked, read_recording, write_recording
from tests.fault.stored_log import AUDITS, keep_log, read_stored_log
from tests.fault.story import ROOM, Story, find, tell_story

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_finds_nothing_wrong_with_a_service_that_keeps_its_promises() -> None:
    assert not check((story := tell_story()).entries, story.log)


@pytest.mark.parametrize(("check_name", "break_it"), BROKEN)
def test_catches(check_name: str, break_it: Callable[[Story], None]) -> None:
    story = tell_story()
    break_it(story)
    assert check_name in story.broken


def test_excuses_what_a_reader_missed_of_a_conversation_that_he_was_removed_from() -> None:
    """His stream shows only the removal, if he reads when he is not in it any more."""
    story = tell_story()
    for position in (2, 3):
        del story.entries[find(story, position, "cid")]
    assert not story.broken


def test_excuses_it_also_if_he_was_removed_twice_before_he_read_on() -> None:
    """His stream shows the last removal alone, and he passed the rest when the first had been asked for."""
    story = tell_story()
    del story.entries[-6:]
    for position in (2, 3):
        story.entries[find(story, position, "cid")] = Marked("cid's phone", 0, story.events[0].cursor)
    story.entries[find(story, 4, "cid")] = Marked("cid's phone", 16, story.events[2].cursor)
    story.append("participant.added", joins=("cid",))
    story.call("ann", Call("add", ROOM, target="cid"))
    story.append("participant.removed", leaves="cid")
    story.call("ann", Call("remove", ROOM, target="cid"))
    for user, positions in (("ann", (6, 7)), ("bob", (6, 7)), ("cid", (7,))):
        story.deliver(user, *positions)
        story.drain(user)
    assert not story.broken


def test_allows_an_unanswered_send_to_be_lost() -> None:
    story = tell_story()
    story.send("bob", "never arrived", "info", stored=False)
    assert not story.broken


def test_keeps_a_client_that_forgot_its_cursor_to_its_last_acknowledgement() -> None:
    """It may be given events again, but none may be left out."""
    story = tell_story()
    story.connect("bob", story.events[1].cursor, asked=False)
    story.deliver("bob", 3, 4, 5)
    assert not story.broken


def test_lets_a_client_begin_again_that_lost_its_cursor_while_redis_lost_its_session() -> None:
    story = tell_story()
    story.entries.insert(0, Faulted(0, "redis_flushed"))
    story.entries.append(Connected("bob's phone", "bob", 0, story.events[-1].cursor))
    assert not story.broken


def test_reads_what_it_wrote(tmp_path: Path) -> None:
    story = tell_story()
    write_recording(tmp_path / "recording", story.entries)
    assert read_recording(tmp_path / "recording") == story.entries


def test_reads_a_log_that_was_kept(database: Path, tmp_path: Path) -> None:
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.execute(
        "INSERT INTO message (id, conversation_id, seq, sender_id, device_id, client_message_id, type, created_at,"
        " version) VALUES ('m', 'c', 1, 'ann', '-', 'first', 'text', 0, 1)"
    )
    connection.close()
    log = read_stored_log(database)
    keep_log(tmp_path / "log.json", log)
    assert log.messages[0].id == "m"
    assert read_stored_log(tmp_path / "log.json") == log


def test_is_a_command(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """See ``test_kill`` for a recording that it finds nothing wrong with."""
    write_recording(tmp_path / "recording", tell_story().entries)
    assert main([str(tmp_path / "recording"), str(database)]) == 1
    assert "K1: " in capsys.readouterr().out


@pytest.mark.parametrize("meaning", AUDITS)
def test_no_audit_goes_through_a_table_once_for_each_row_of_another(database: Path, meaning: str) -> None:
    """That took half an hour for the 60,000 messages of a soak."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE)
    plan = list(connection.execute("EXPLAIN QUERY PLAN " + AUDITS[meaning]))
    connection.close()
    repeated = {step for step, _, _, detail in plan if detail.startswith("CORRELATED")}
    assert plan
    assert not [detail for _, parent, _, detail in plan if parent in repeated and detail.startswith("SCAN")]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The file of a service that has stored nothing."""
    from sanctum_messaging.adapters.sqlite.database import Database  # noqa: PLC0415 # Few tests here need a database.
    from sanctum_messaging.adapters.sqlite.migrate import apply_migrations  # noqa: PLC0415

    made = Database(tmp_path / "messaging.db")
    made.open()
    apply_migrations(made.writer)
    made.close()
    return tmp_path / "messaging.db"
