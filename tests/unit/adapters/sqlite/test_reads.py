"""A read costs what it returns, counted in the steps that SQLite takes for it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sqlite import conversations
from sanctum_messaging.adapters.sqlite.messages import list_messages
from sanctum_messaging.domain.model import HistoryVisibility, Seq
from sanctum_messaging.ports.store import MessageBounds
from tests.support import TENANT, Arranged, user

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from sanctum_messaging.domain.model import ConversationId

GAP = 1000
"""Messages between two memberships: to step over each of them takes several steps."""


def steps_of(database: Database, read: Callable[[], object]) -> int:
    """Count the steps of what is read on the writing connection."""
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return False

    database.writer.set_progress_handler(count, 1)
    try:
        read()
    finally:
        database.writer.set_progress_handler(None)
    return steps


async def left_and_back(arranged: Arranged) -> ConversationId:
    """Arrange a conversation whose bob was away for so many messages: he sees the seqs 3 and ``GAP + 6``."""
    conversation = await arranged.create("ann", visibility=HistoryVisibility.JOINED)
    await arranged.add(conversation, "bob")
    await arranged.send(conversation, "ann")
    await arranged.remove(conversation, "bob")
    await arranged.store.append_messages([arranged.draft(conversation, "ann") for _ in range(GAP)])
    await arranged.add(conversation, "bob")
    await arranged.send(conversation, "ann")
    return conversation


async def test_a_page_does_not_step_over_what_was_said_in_between(store: SQLiteStore, database: Database) -> None:
    conversation = await left_and_back(Arranged(store))

    def read(bounds: MessageBounds) -> None:
        page = list_messages(database.writer, TENANT, user("bob"), conversation, bounds=bounds, limit=5)
        assert page is not None
        assert [message.seq for message in page[0]] == [3, GAP + 6]

    for bounds in (MessageBounds(), MessageBounds(after=Seq(0)), MessageBounds(around=Seq(4))):
        assert steps_of(database, partial(read, bounds)) < GAP, bounds


async def test_what_is_unread_is_counted_once(database: Database) -> None:
    plan = database.writer.execute(f"EXPLAIN QUERY PLAN {conversations._UNREAD_TOTALS}", {"tenant": "", "user": ""})
    assert sum("message_unread" in detail for *_, detail in plan) == 1
