"""Where what is unread is counted, in steps of SQLite's machine: not where appends wait, and once for each marker."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from sanctum_messaging.adapters.sqlite.read_markers import move_read_markers, read_moved_markers
from sanctum_messaging.domain.errors import NotFoundError
from sanctum_messaging.domain.model import ReadMarker, Seq
from sanctum_messaging.ports.store import MoveMarker
from tests.support import TENANT, Arranged, user

if TYPE_CHECKING:
    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from sanctum_messaging.domain.model import ConversationId

OWN_MESSAGES = 200


@pytest.fixture
def steps(database: Database, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the steps of the writer, and of the readers, none of which is open yet."""
    counted: Counter[str] = Counter()

    def watch(connection: apsw.Connection) -> None:
        name = "writer" if connection is database.writer else "reader"

        def count(profile: dict[str, Any]) -> None:
            counted[name] += profile["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]

        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, count)

    watch(database.writer)
    monkeypatch.setattr(apsw, "connection_hooks", [watch])
    return counted


def moves_of(conversation: ConversationId, times: int) -> list[MoveMarker]:
    return [MoveMarker(TENANT, user("ann"), conversation, Seq(1))] * times


async def test_the_write_does_not_count_what_is_unread(store: SQLiteStore, steps: Counter[str]) -> None:
    arranged = Arranged(store)
    group = await arranged.create("ann")

    async def steps_of_a_move() -> Counter[str]:
        steps.clear()
        assert await store.move_read_markers(moves_of(group, 1)) == [ReadMarker(Seq(1), 0)]
        return steps.copy()

    await arranged.send(group, "ann")
    of_few = await steps_of_a_move()
    await store.append_messages([arranged.draft(group, "ann") for _ in range(OWN_MESSAGES)])
    of_many = await steps_of_a_move()
    assert of_many["writer"] == of_few["writer"] > 0


async def test_what_is_unread_is_counted_once_for_many_moves(store: SQLiteStore, steps: Counter[str]) -> None:
    arranged = Arranged(store)
    group = await arranged.create("ann", "bob")
    await store.append_messages([arranged.draft(group, "bob") for _ in range(OWN_MESSAGES)])
    steps.clear()
    await store.move_read_markers(moves_of(group, 1))
    once = steps["reader"]
    assert await store.move_read_markers(moves_of(group, 16)) == [ReadMarker(Seq(1), OWN_MESSAGES)] * 16
    assert 0 < steps["reader"] - once < 2 * once


async def test_who_is_removed_before_the_count_is_not_found(store: SQLiteStore, database: Database) -> None:
    arranged = Arranged(store)
    group = await arranged.create("bob", "ann")
    moves = moves_of(group, 1)
    verdicts = await database.write(lambda connection: move_read_markers(connection, moves))
    await arranged.remove(group, "ann")
    (result,) = await database.read(lambda connection: read_moved_markers(connection, moves, verdicts))
    assert (verdicts, type(result)) == ([(True, True)], NotFoundError)
