"""Listing and catching up on PostgreSQL, as ``listing`` and ``catchup`` do on a file, with a fifth of the messages.

The log is made by a few statements, like that one, and nothing was analysed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from bench.catchup import measure_catch_up
from bench.large_log import CONVERSATIONS, OWN_EVENTS, WRITER, LargeLog, create_places
from bench.listing import measure_listing
from bench.loads import BODY
from bench.stores import create_postgres_store
from tests.servers.postgres import open_postgres

if TYPE_CHECKING:
    from bench.figures import Figure
    from bench.measuring import Run
    from sanctum_messaging.domain.model import ConversationId

UNREAD_EACH = 2_000

_PLACES = "CREATE TEMP TABLE place (number bigint PRIMARY KEY, id text)"
# As in large_log.py: every $3-th message is to those who were away, the others go round the lister's conversations.
_ROWS = """
CREATE TEMP TABLE row AS
SELECT n, place.id AS place, '01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0') AS id, 1700000000000 + n AS at,
    CASE WHEN n % {step} = 0 THEN n / {step} + 1 ELSE (n - n / {step} - 1) / {conversations} + 2 END AS seq
FROM generate_series(1::bigint, {count}) AS n
JOIN place ON place.number = CASE WHEN n % {step} = 0 THEN -1 ELSE (n - n / {step} - 1) % {conversations} END
"""
_MESSAGES = """
INSERT INTO message (id, conversation_id, seq, sender_id, device_id, client_message_id, type, body, metadata,
    created_at, version, content_hash)
SELECT id, place, seq, $1, 'phone', 'c' || n, 'text', $2, '{}', at, 1, repeat('0', 64) FROM row ORDER BY n
"""
_EVENTS = """
INSERT INTO event (position, tag, tenant, conversation_id, seq, kind, actor_id, at, message_id)
SELECT $2::bigint + n, substr(md5(random()::text), 1, 8), 'default', place, seq, 'message.created', $1, at, id
FROM row ORDER BY n
"""


async def measure(run: Run) -> list[Figure]:
    """Make the log, then do on it what is done on a file."""
    with open_postgres(durable=True) as server:
        url = server.url_of(server.create_database())
        log = LargeLog(run.folder / "postgres-reads", UNREAD_EACH // 10 if run.quick else UNREAD_EACH, url)
        async with create_postgres_store(url) as store:
            places = await create_places(store)
        await _fill(log, url, places)
        listed = await measure_listing(run, log, "postgres listing")
        return [*listed, *await measure_catch_up(log, "postgres catchup")]


async def _fill(log: LargeLog, url: str, places: list[tuple[int, ConversationId]]) -> None:
    connection = await asyncpg.connect(url)
    numbers = {
        "count": log.foreign_events + OWN_EVENTS,
        "step": log.foreign_events // OWN_EVENTS,
        "conversations": CONVERSATIONS,
    }
    await connection.execute(_PLACES)
    await connection.executemany("INSERT INTO place VALUES ($1, $2)", places)
    await connection.execute(_ROWS.format(**numbers))
    await connection.execute(_MESSAGES, WRITER, BODY)
    await connection.execute(_EVENTS, WRITER, log.before)
    await connection.close()
