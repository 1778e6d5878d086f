"""A database of a million messages, made by a few statements instead of a million appends.

Rows and numbers are those that appends would have left: positions and seqs without holes, a tag for each event.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import apsw

from bench.loads import BODY
from bench.servers import serve
from bench.stores import create_conversation, open_postgres_store, open_store
from sanctum_messaging.config import DATABASE_FILE
from sanctum_messaging.domain.model import Position, UserId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from bench.measuring import Run
    from bench.servers import Service
    from sanctum_messaging.domain.model import ConversationId
    from sanctum_messaging.ports.store import Store

LISTER, WRITER = UserId("lister"), UserId("writer")
CONVERSATIONS = 100
UNREAD_EACH = 10_000
AWAY = tuple(UserId(f"away-{number}") for number in range(25))
"""Users who were away: what they missed are the same messages, and none of them has been read before."""
SILENT_CONVERSATIONS = 100
"""Which they are in too, and in which nothing happened."""
OWN_EVENTS = 10
"""Messages to those who were away, spread over the log."""

_FAST_PRAGMAS = "PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; PRAGMA temp_store = MEMORY"
_INDEXES = "SELECT name, sql FROM sqlite_schema WHERE tbl_name IN ('message', 'event') AND type = 'index' AND sql <> ''"
# Message n of the log: every :step-th is to those who were away, the others go round the lister's conversations.
_ROWS = """
CREATE TEMP TABLE row AS
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :count)
SELECT n,
    :before + n AS position,
    CASE WHEN n % :step = 0 THEN -1 ELSE (n - n / :step - 1) % :conversations END AS place,
    CASE WHEN n % :step = 0 THEN n / :step + 1 ELSE (n - n / :step - 1) / :conversations + 2 END AS seq,
    printf('01900000-0000-7000-8000-%012x', n) AS id,
    1700000000000 + n AS at
FROM number
"""
_MESSAGES = """
INSERT INTO message (id, conversation_id, seq, sender_id, device_id, client_message_id, type, body, metadata,
    created_at, version, content_hash)
SELECT row.id, place.id, seq, :sender, 'phone', 'c' || n, 'text', :body, '{}', at, 1, :hash
FROM row CROSS JOIN place ON place.number = row.place ORDER BY n
"""
_EVENTS = """
INSERT INTO event (position, tag, tenant, conversation_id, seq, kind, actor_id, at, message_id)
SELECT position, lower(hex(randomblob(4))), 'default', place.id, seq, 'message.created', :sender, at, row.id
FROM row CROSS JOIN place ON place.number = row.place ORDER BY n
"""


@dataclass(frozen=True, slots=True)
class LargeLog:
    """Where it is, and how many messages each of the lister's conversations has; ``url`` is PostgreSQL's, if it is."""

    data_dir: Path
    unread_each: int
    url: str | None = None

    @property
    def foreign_events(self) -> int:
        """How many messages are to others than those who were away."""
        return self.unread_each * CONVERSATIONS

    @property
    def before(self) -> Position:
        """The position after which they were away."""
        return Position(CONVERSATIONS + SILENT_CONVERSATIONS + 1)

    @contextlib.asynccontextmanager
    async def open_store(self) -> AsyncGenerator[Store]:
        """Open the store that holds it."""
        if self.url is None:
            with open_store(self.data_dir) as store:
                yield store
        else:
            async with open_postgres_store(self.url) as store:
                yield store

    def serve(self) -> AbstractAsyncContextManager[Service]:
        """Start the service on it."""
        return serve(self.data_dir, environ={} if self.url is None else {"DATABASE_URL": self.url})


async def open_large_log(run: Run) -> LargeLog:
    """Make the database, unless another benchmark of this run has; a quick run makes a tenth of it."""
    log = LargeLog(run.folder / "large", UNREAD_EACH // 10 if run.quick else UNREAD_EACH)
    if not await asyncio.to_thread(log.data_dir.exists):
        async with log.open_store() as store:
            places = await create_places(store)
        await asyncio.to_thread(_fill, log, places)
    return log


async def create_places(store: Store) -> list[tuple[int, ConversationId]]:
    """Create all conversations; return those that get messages by their number, -1 for that of those who are away."""
    places = [await create_conversation(store, WRITER, LISTER) for _ in range(CONVERSATIONS)]
    for _ in range(SILENT_CONVERSATIONS):
        await create_conversation(store, WRITER, *AWAY)
    return [(-1, await create_conversation(store, WRITER, *AWAY)), *enumerate(places)]


def _fill(log: LargeLog, places: list[tuple[int, ConversationId]]) -> None:
    connection = apsw.Connection(str(log.data_dir / DATABASE_FILE))
    for _ in connection.execute(_FAST_PRAGMAS):
        pass
    numbers = {
        "count": log.foreign_events + OWN_EVENTS,
        "step": log.foreign_events // OWN_EVENTS,
        "conversations": CONVERSATIONS,
        "before": log.before,
    }
    with connection:
        indexes = list(connection.execute(_INDEXES))
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"')
        connection.execute("CREATE TEMP TABLE place (number INTEGER PRIMARY KEY, id TEXT)")
        connection.executemany("INSERT INTO place VALUES (?, ?)", places)
        connection.execute(_ROWS, numbers)
        connection.execute(_MESSAGES, {"sender": WRITER, "body": BODY, "hash": "0" * 64})
        connection.execute(_EVENTS, {"sender": WRITER})
        for _, sql in indexes:
            connection.execute(sql)
    connection.close()
