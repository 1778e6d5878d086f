"""Connections to Redis: from a URL to a client, and from a client to a connection of one's own."""

from __future__ import annotations

import asyncio
import contextlib
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from redis.asyncio import Connection, ConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from sanctum_messaging.adapters.redis.name_lookup import LookedUpConnection, LookedUpSSLConnection, NameLookup

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from urllib.parse import SplitResult

    from redis.asyncio.connection import AbstractConnection

CONNECT_SECONDS = 1.0
"""A server of the same network answers within milliseconds; one that takes a second is of no use to anybody."""
ANSWER_SECONDS = 1.0
"""As above: what takes longer is served from the database sooner."""
MAX_CONNECTIONS = 64
"""Of the pool; more calls at a time than that wait for one another (``availability``)."""
UNAVAILABLE = (RedisError, OSError)
"""What the driver raises when the server is away, slow, full, or refuses; timeouts are among both."""
UNINTELLIGIBLE = (AttributeError, TypeError, ValueError)
"""What the driver raises by itself over an answer that Redis would not give: one of another server at its address."""

_ENDED = (RedisConnectionError, ReadOnlyError)
"""After these a connection is of no use: a server that has become a replica refuses writes for as long as it is one."""
_OPTIONS = frozenset(
    {"ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"}
)
_DATABASE = re.compile(r"/?|/[0-9]{1,5}")


def open_redis(url: str) -> Redis:
    """Make a client that connects when it is used, so that the server may be down now and come later.

    Calls take as long as they take: make them through ``availability.Availability``. Close it with ``close_redis``.

    Raises:
        ValueError: the URL can't be understood; the message holds nothing of it, for it may hold a password.
    """
    _check(url)
    pool = ConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        protocol=3,
        socket_connect_timeout=CONNECT_SECONDS,
        # Whoever makes a call bounds it. The driver's own limit uses wait_for, which in Python 3.11 may take the
        # cancellation of a task for itself, so that the task goes on as if nothing had happened.
        socket_timeout=None,
        # Once more at once and on a new connection, where the server closed this one while it lay idle, or has become a
        # replica: by now the address may lead to another. What timed out is not repeated.
        retry=Retry(ExponentialWithJitterBackoff(base=0.01, cap=0.05), 1, supported_errors=_ENDED),
        # Announcements of maintenance are a feature of one hosted service, and cost each connection a round trip.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    _have_looked_up(pool)
    try:
        pool.make_connection()  # type: ignore[no-untyped-call] # the driver says no more
    except RedisError:
        raise _InvalidError("has an option with a value that it can't have") from None
    return Redis.from_pool(pool)


async def close_redis(redis: Redis) -> None:
    """Close a client and all connections of its pool, within a second or so whatever the server does."""
    # With TLS both sides say goodbye. Where the server does not, the driver raises when its patience is over, and has
    # closed its own side.
    with contextlib.suppress(*UNAVAILABLE):
        await redis.aclose()


@asynccontextmanager
async def open_connection(redis: Redis) -> AsyncGenerator[AbstractConnection]:
    """Open a connection outside the pool within a second, and end it whatever happened to it.

    It speaks RESP2: all it is used for is publishing and listening, which is the same in both protocols, and for each
    message that comes as a push of RESP3 the driver first writes out the whole of it for a log line that nobody sees.

    Raises:
        RedisError, OSError: the server can't be reached, or refuses.
    """
    pool = redis.connection_pool
    ours = {"protocol": 2, "decode_responses": False, "socket_timeout": None}
    connection = pool.connection_class(**{**pool.connection_kwargs, **ours})
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await connection.connect()  # type: ignore[no-untyped-call] # the driver says no more
        yield connection
    finally:
        await connection.disconnect(nowait=True)


def _have_looked_up(pool: ConnectionPool) -> None:
    """Have the server's name looked up once at a time, for all connections of a client."""
    kinds: dict[type[AbstractConnection], type[AbstractConnection]]
    kinds = {Connection: LookedUpConnection, SSLConnection: LookedUpSSLConnection}
    kind = kinds.get(pool.connection_class)
    if kind is not None:
        pool.connection_class = kind
        pool.connection_kwargs["lookup"] = NameLookup()


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        options = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        if parts.scheme == "unix":
            _check_socket(parts, options)
        elif parts.scheme in {"redis", "rediss"}:
            _check_server(parts, options)
        else:
            raise _InvalidError("does not begin with redis://, rediss:// (with TLS) or unix:// (a socket)")
    except _InvalidError:
        raise
    except ValueError:
        # The library's words quote what it could not read, which is the password where an @ is missing.
        raise _InvalidError("is no URL; the user name and the password in it are percent-encoded") from None


def _check_socket(parts: SplitResult, options: dict[str, list[str]]) -> None:
    if parts.path in {"", "/"}:
        raise _InvalidError("names no socket; write unix:///path/of/the.sock?db=0")
    if not options.keys() <= {"db"}:
        raise _InvalidError("has an option other than db")
    if not _DATABASE.fullmatch("/" + options.get("db", ["0"])[0]):
        raise _InvalidError("names a database that is no number")


def _check_server(parts: SplitResult, options: dict[str, list[str]]) -> None:
    if not parts.hostname or parts.port == 0:
        raise _InvalidError("names no server; write redis://host:6379/0")
    if not _DATABASE.fullmatch(parts.path):
        raise _InvalidError("names a database that is no number; write redis://host:6379/0")
    known = _OPTIONS if parts.scheme == "rediss" else frozenset()
    if not options.keys() <= known:
        raise _InvalidError(f"has an unknown option; known with rediss:// are {', '.join(sorted(_OPTIONS))}")


class _InvalidError(ValueError):
    """A URL that can't be used; reads as what follows the name of the setting."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"the Redis URL {fault}")
