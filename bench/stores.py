"""A real store in a folder, and conversations in it, without a server around them."""

from __future__ import annotations

import contextlib
import itertools
import secrets
from typing import TYPE_CHECKING

from bench.loads import BODY
from sanctum_messaging.adapters.postgres.database import Database as PostgresDatabase
from sanctum_messaging.adapters.postgres.migrate import apply_migrations as apply_postgres_migrations
from sanctum_messaging.adapters.postgres.store import PostgresStore
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
    DeviceId,
    HistoryVisibility,
    MessageDraft,
    MessageId,
    Participant,
    Role,
    Seq,
    UserId,
)
from sanctum_messaging.ports.log import Answer, Change

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    from sanctum_messaging.ports.store import Store

SENDER = UserId("sender")

_clock = SystemClock()
_numbers = itertools.count()
_PROCESS = secrets.token_hex(4)
"""Keeps the client message ids of several writing processes apart."""


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


@contextlib.asynccontextmanager
async def open_postgres_store(url: str) -> AsyncGenerator[PostgresStore]:
    """Open the store that an instance with this address would use; the schema is there."""
    database = PostgresDatabase(url)
    try:
        yield PostgresStore(database, _clock)
    finally:
        await database.close()


@contextlib.asynccontextmanager
async def create_postgres_store(url: str) -> AsyncGenerator[PostgresStore]:
    """Make the schema in an empty database, and open the store in it."""
    await apply_postgres_migrations(url)
    async with open_postgres_store(url) as store:
        yield store


def build_draft(conversation: ConversationId) -> MessageDraft:
    """Write a new message of the sender's."""
    return MessageDraft(
        id=MessageId(_clock.new_id()),
        tenant=DEFAULT_TENANT,
        conversation_id=conversation,
        sender_id=SENDER,
        device_id=DeviceId("phone"),
        client_message_id=f"{_PROCESS}-{next(_numbers)}",
        type="text",
        body=BODY,
        metadata="{}",
        reply_to=None,
        content_hash="0" * 64,
        created_at=_clock.now(),
    )


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
