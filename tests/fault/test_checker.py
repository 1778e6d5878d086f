"""The checker is worth what it catches: each promise is broken on purpose, in a recording where all were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fault.broken_stories import BROKEN
from tests.fault.checker import check, main
from tests.fault.recorder import Connected, Faulted, read_recording, write_recording
from tests.fault.story import Story, find, tell_story

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


def test_is_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """See ``test_kill`` for a recording that it finds nothing wrong with."""
    from sanctum_messaging.adapters.sqlite.database import Database  # noqa: PLC0415 # Only this test needs a database.
    from sanctum_messaging.adapters.sqlite.migrate import apply_migrations  # noqa: PLC0415

    database = Database(tmp_path / "messaging.db")
    database.open()
    apply_migrations(database.writer)
    database.close()
    write_recording(tmp_path / "recording", tell_story().entries)
    assert main([str(tmp_path / "recording"), str(tmp_path / "messaging.db")]) == 1
    assert "K1: " in capsys.readouterr().out
