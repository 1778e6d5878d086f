"""A log that is long for everybody but the one who reads, and what a statement touches of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import asyncpg

from sanctum_messaging.adapters.postgres.connecting import Connector
from sanctum_messaging.adapters.postgres.database import Database

if TYPE_CHECKING:
    from typing import Self

LENGTH = 110_000
OWN = 10
"""Events of the conversation ``own``, evenly spread over the log."""
BUSY = 100
"""Conversations ``busy-0`` and so on, with a fifth of the log between them."""
BUSY_EVENTS = LENGTH // 5 // BUSY
"""Of each of these."""
CONVERSATIONS = 2 + BUSY + 300
"""All of them; the user "sender" is in each."""

# Every event is a message's; a fifth of them is of the conversation "left", whose history is of those who joined, and
# which "joiner" left early and joined again late. Everybody has read the first message and nothing else, but "reader"
# all but the last few; "leaver" was in all conversations and is in none. Nothing is known of the tables beyond their
# size: no autovacuum comes by.
_FILL = f"""
INSERT INTO conversation (id, tenant, kind, metadata, visibility, created_by, created_at, version, members_version)
SELECT id, 'default', 'group', '{{}}', CASE id WHEN 'left' THEN 'joined' ELSE 'all' END, 'sender', 1, 1, 1
FROM (SELECT 'own' AS id UNION ALL SELECT 'left'
    UNION ALL SELECT 'busy-' || n FROM generate_series(0, {BUSY - 1}) n
    UNION ALL SELECT 'other-' || n FROM generate_series(0, 299) n) AS ids;

INSERT INTO event (position, tag, tenant, conversation_id, seq, kind, actor_id, at, message_id)
SELECT n, lpad(to_hex(n), 8, '0'), 'default', id, row_number() OVER (PARTITION BY id ORDER BY n), 'message.created',
    'sender', 1, 'message-' || n
FROM (SELECT n, CASE WHEN n % {LENGTH // OWN} = 0 THEN 'own' WHEN n % 5 = 0 THEN 'busy-' || n / 5 % {BUSY}
        WHEN n % 5 = 1 THEN 'left' ELSE 'other-' || n % 300 END AS id
    FROM generate_series(1, {LENGTH}) n) AS numbered
ORDER BY n;

INSERT INTO message (id, conversation_id, seq, sender_id, device_id, client_message_id, type, body, metadata,
    created_at, version)
SELECT message_id, conversation_id, seq, 'sender', 'phone', message_id, 'text', 'Hello', '{{}}', 1, 1
FROM event ORDER BY position;

INSERT INTO participant (tenant, user_id, conversation_id, role, joined_at, version, read_seq)
SELECT 'default', u, id, 'member', 1, 1, 1 FROM (
    SELECT 'sender' AS u, id FROM conversation UNION ALL SELECT 'ann', 'own' UNION ALL SELECT 'joiner', 'left'
    UNION ALL SELECT 'reader', 'left' UNION ALL SELECT 'lister', id FROM conversation WHERE id LIKE 'busy-%') AS places;
UPDATE participant SET read_seq = (SELECT max(seq) - 5 FROM event WHERE conversation_id = 'left')
WHERE user_id = 'reader';

INSERT INTO membership (tenant, user_id, conversation_id, first_position, first_seq)
SELECT tenant, user_id, conversation_id, 1, 1 FROM participant WHERE user_id <> 'joiner';

INSERT INTO participant (tenant, user_id, conversation_id, role, joined_at, left_at, left_position, version, read_seq)
SELECT 'default', 'leaver', id, 'member', 1, 2, 1000 + row_number() OVER (ORDER BY id), 2, 1 FROM conversation;
INSERT INTO membership
SELECT tenant, user_id, conversation_id, 1, 1, left_position, 2 FROM participant WHERE user_id = 'leaver';
INSERT INTO membership VALUES
    ('default', 'joiner', 'left', 1, 1, 101, 21),
    ('default', 'joiner', 'left', {LENGTH - 99},
        (SELECT max(seq) - 19 FROM event WHERE conversation_id = 'left'), NULL, NULL);
"""  # noqa: S608 - made of the numbers above
_LEAVE_ALONE = "ALTER TABLE {} SET (autovacuum_enabled = off)"
_PRETEND = "ALTER TABLE {} ALTER COLUMN conversation_id SET (n_distinct = {})"
_TABLES = ("conversation", "participant", "membership", "message", "event", "log_floor")


class RecordedDatabase(Database):
    """A database that notes what is read."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.reads: list[tuple[str, tuple[object, ...]]] = []

    async def read(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        self.reads.append((statement, arguments))
        return await super().read(statement, *arguments)

    follow = read


class Planned:
    """One session as the store has them. A statement is planned once, and anew only when there are statistics."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._names: dict[str, str] = {}

    @classmethod
    async def connect(cls, url: str) -> Self:
        return cls(await Connector(url).connect())

    async def close(self) -> None:
        await self._connection.close()

    async def plan(self, statement: str, arguments: tuple[object, ...]) -> None:
        """Plan a statement as the tables are now, unless it has its plan."""
        if statement not in self._names:
            self._names[statement] = f"statement_{len(self._names)}"
            await self._connection.execute(f"PREPARE {self._names[statement]} AS {statement}")
            await self._connection.fetch(self._call(statement, arguments))

    async def count_blocks(self, statement: str, arguments: tuple[object, ...]) -> int:
        """Run a statement by its plan and count the blocks it touches, in memory or not."""
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {self._call(statement, arguments)}"
        root = json.loads(await self._connection.fetchval(explain))[0]["Plan"]
        return int(root["Shared Hit Blocks"]) + int(root["Shared Read Blocks"])

    def _call(self, statement: str, arguments: tuple[object, ...]) -> str:
        values = ", ".join(map(_literal, arguments))
        return f"EXECUTE {self._names[statement]}" + (f"({values})" if values else "")


async def leave_alone(url: str) -> None:
    """Keep everything from the tables that would tell the planner about them."""
    await _execute(url, *map(_LEAVE_ALONE.format, _TABLES))


async def fill(url: str) -> None:
    """Write the log."""
    await _execute(url, _FILL)


async def analyse(url: str, *, conversations: int) -> None:
    """Gather statistics, by which all plans are made anew.

    They say that there are so many conversations; with 0 the truth, with -1 that each has but one event.
    """
    await _execute(url, *(_PRETEND.format(table, conversations) for table in ("event", "message")), "ANALYZE")


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def _literal(value: object) -> str:
    match value:
        case int():
            return str(value)
        case str():
            return f"'{value}'"
        case list():
            return f"ARRAY[{', '.join(map(_literal, value))}]"
    message = f"{value!r} is no argument of a read"
    raise TypeError(message)
