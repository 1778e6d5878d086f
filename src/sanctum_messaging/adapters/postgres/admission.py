"""Whether a database is one that we can use, asked once when it is opened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg

from sanctum_messaging.adapters.postgres.connecting import (
    CONNECT_ERRORS,
    CONNECT_SECONDS,
    DatabaseRefusedError,
    describe,
)

if TYPE_CHECKING:
    from sanctum_messaging.adapters.postgres.connecting import Connector

OLDEST_VERSION = 14
"""The oldest version that still gets fixes."""
_SESSION = "SELECT pg_backend_pid()"
_ROUNDS = 3
"""A pooler that takes its connections in turn gives itself away in the second round at the latest."""
_POOLED = (
    "A pooler in transaction mode stands before PostgreSQL, where a session's settings and prepared statements get"
    " lost: give the server's own address, or set the pooler to session mode."
)
_LOST_STATEMENTS = (
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.ProtocolViolationError,
)
"""What is answered where a session changes between two messages, or may not have transactions at all."""


async def check_admission(connector: Connector) -> None:
    """Refuse a database that is unreachable, too old, wrongly encoded, or behind a pooler that shares sessions.

    Raises:
        DatabaseRefusedError: with the reason.
    """
    try:
        first = await connector.connect_bare()
        try:
            _check_server(first)
            second = await connector.connect_bare()
            try:
                await _check_sessions(first, second)
            finally:
                second.terminate()
        finally:
            first.terminate()
    except CONNECT_ERRORS as error:
        # One that ends the connection says why before it does.
        pooled = isinstance(error, _LOST_STATEMENTS) or isinstance(error.__cause__, _LOST_STATEMENTS)
        raise DatabaseRefusedError(_POOLED if pooled else describe(error)) from None


def _check_server(connection: asyncpg.Connection) -> None:
    version = connection.get_server_version()
    if version.major < OLDEST_VERSION:
        reason = f"PostgreSQL {OLDEST_VERSION} or newer is needed; this server is {version.major}."
        raise DatabaseRefusedError(reason)
    encoding = connection.get_settings().server_encoding
    if encoding != "UTF8":
        reason = f"The database's encoding is {encoding}: create it with ENCODING 'UTF8', since messages hold any text."
        raise DatabaseRefusedError(reason)


async def _check_sessions(first: asyncpg.Connection, second: asyncpg.Connection) -> None:
    """Refuse a pooler that lends one session to several clients, or a client several sessions."""
    async with asyncio.timeout(CONNECT_SECONDS):
        own = await _find_session(first)
        for _ in range(_ROUNDS):
            async with second.transaction():
                # While this transaction is open, its session is lent to nobody else.
                others = await second.fetchval(_SESSION)
                if others == own or await _find_session(first) != own:
                    raise DatabaseRefusedError(_POOLED)


async def _find_session(connection: asyncpg.Connection) -> object:
    # In a transaction, so that the driver's two messages reach the same session whatever stands between.
    async with connection.transaction():
        return await connection.fetchval(_SESSION)
