"""Appending without a writer, one transaction per message: what group commit is compared with.

Two ways, over a few connections that take turns at the log lock. *One by one* is our own statement with a single
message: one round trip, the cheapest transaction that keeps the log's promises. *Statement by statement* is the same
work as services usually write it: BEGIN, a lock, what must be checked, what must be numbered, two inserts, COMMIT. And
the least that anything durable takes: one row into a table that nobody else uses, without a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from typing import TYPE_CHECKING

import asyncpg

from bench.stores import open_postgres_store

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from sanctum_messaging.domain.model import MessageDraft

_LOCK = "SELECT pg_advisory_xact_lock(23434227459839309)"
"""The log lock, so that positions stay in the order of commits."""
_HEAD = "SELECT position FROM event ORDER BY position DESC LIMIT 1"
_ROLE = """
SELECT p.role FROM participant p JOIN conversation c ON c.id = p.conversation_id
WHERE p.conversation_id = $1 AND p.user_id = $2 AND p.left_at IS NULL AND c.tenant = $3 AND c.deleted_at IS NULL
"""
_KNOWN = r"""
SELECT id FROM message
WHERE (conversation_id || E'\n' || sender_id || E'\n' || client_message_id) = $1 || E'\n' || $2 || E'\n' || $3
"""
_LAST = "SELECT seq FROM event WHERE conversation_id = $1 ORDER BY seq DESC LIMIT 1"
_MESSAGE = """
INSERT INTO message (id, conversation_id, seq, sender_id, device_id, client_message_id, type, body, metadata,
    created_at, version, content_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11)
"""
_EVENT = """
INSERT INTO event (position, tag, tenant, conversation_id, seq, kind, actor_id, at, message_id)
VALUES ($1, $2, $3, $4, $5, 'message.created', $6, $7, $8)
"""

_TABLE = "CREATE TABLE IF NOT EXISTS bare (id text PRIMARY KEY, body text NOT NULL)"
_ROW = "INSERT INTO bare VALUES ($1, $2)"


@contextlib.asynccontextmanager
async def open_one_by_one(url: str, connections: int) -> AsyncGenerator[Callable[[MessageDraft], Awaitable[object]]]:
    """Open so many stores; each has one connection for appends."""
    async with contextlib.AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_postgres_store(url)) for _ in range(connections)]
        turns = itertools.cycle(stores)

        async def append(draft: MessageDraft) -> None:
            batch = await next(turns).append_messages([draft])
            if isinstance(batch.results[0], Exception):
                raise batch.results[0]

        yield append


@contextlib.asynccontextmanager
async def open_statement_by_statement(
    url: str, connections: int
) -> AsyncGenerator[Callable[[MessageDraft], Awaitable[object]]]:
    """Open a pool as any service has one."""
    async with asyncpg.create_pool(url, min_size=0, max_size=connections) as pool:

        async def append(draft: MessageDraft) -> None:
            async with pool.acquire() as connection, connection.transaction():
                await _append(connection, draft)

        yield append
        await asyncio.wait_for(pool.close(), 10)


@contextlib.asynccontextmanager
async def open_bare_insert(url: str) -> AsyncGenerator[Callable[[MessageDraft], Awaitable[object]]]:
    """Open one connection, and make the table."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_TABLE)

        async def append(draft: MessageDraft) -> None:
            await connection.execute(_ROW, draft.id, draft.body)

        yield append
    finally:
        await connection.close()


async def _append(connection: asyncpg.pool.PoolConnectionProxy, draft: MessageDraft) -> None:
    place = draft.conversation_id
    await connection.execute(_LOCK)
    head = await connection.fetchval(_HEAD)
    assert await connection.fetchval(_ROLE, place, draft.sender_id, draft.tenant) is not None
    assert await connection.fetchval(_KNOWN, place, draft.sender_id, draft.client_message_id) is None
    seq = await connection.fetchval(_LAST, place) + 1
    content = (draft.type, draft.body, draft.metadata, draft.created_at, draft.content_hash)
    who = (draft.sender_id, draft.device_id, draft.client_message_id)
    await connection.execute(_MESSAGE, draft.id, place, seq, *who, *content)
    tag = secrets.token_hex(4)
    at = (draft.sender_id, draft.created_at, draft.id)
    await connection.execute(_EVENT, head + 1, tag, draft.tenant, place, seq, *at)
