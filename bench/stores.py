"""A real store in a folder, and conversations in it, without a server around them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sqlite.database import Database
from sanctum_messaging.adapters.sqlite.migrate import apply_migrations
from sanctum_messaging.adapters.sqlite.store import SQLiteStore
from sanctum_messaging.adapters.system import SystemClock
from sanctum_messaging.config import DATABASE_FILE
from sanctum_messaging.domain.events import ConversationChange, EventKind, NewEvent
from sanctum_messaging.domain.model import (
    DEFAULT_TENANT,
    Conversation,
    ConversationId,
    ConversationKind,
    HistoryVisibility,
    Participant,
    Role,
    Seq,
    UserId,
)
from sanctum_messaging.ports.log import Answer, Change

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from sanctum_messaging.ports.store import Store

SENDER = UserId("sender")

_clock = SystemClock()


@contextlib.contextmanager
def open_store(data_dir: Path) -> Generator[SQLiteStore]:
    """Open the store that a server with this data directory would use."""
    database = Database(data_dir / DATABASE_FILE)
    database.open()
    try:
        apply_migrations(database.writer)
        yield SQLiteStore(database, _clock)
    finally:
        database.close()


async def create_conversation(store: Store, owner: UserId, *others: UserId) -> ConversationId:
    """Create a group of these users."""
    now = _clock.now()
    conversation = Conversation(
        id=ConversationId(_clock.new_id()),
        tenant=DEFAULT_TENANT,
        kind=ConversationKind.GROUP,
        title="A conversation",
        metadata="{}",
        visibility=HistoryVisibility.ALL,
        created_by=owner,
        created_at=now,
        version=1,
        last_seq=Seq(0),
    )
    participants = tuple(
        Participant(conversation.id, name, Role.OWNER if name == owner else Role.MEMBER, now)
        for name in (owner, *others)
    )
    body = ConversationChange(conversation, participants)
    event = NewEvent(EventKind.CONVERSATION_CREATED, conversation.id, owner, now, body)
    await store.append_change(Change(DEFAULT_TENANT, (), (event,), Answer(created=True)))
    return conversation.id
