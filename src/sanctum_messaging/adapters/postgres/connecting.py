"""Making one connection: to which host, with which settings, and why not.

The settings are given by SET once the connection stands, not with its start: a pooler refuses start-up parameters that
it does not know.
"""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg

APPLICATION = "sanctum-messaging"
CONNECT_SECONDS = 3.0
"""A host that takes longer to answer than this is down for us; the next one of the address gets its turn."""
STATEMENT_CACHE = 200
"""More than the statements there are, so that each is parsed once per connection."""

# A statement waits 2 s for a lock and runs 5 s at most; no transaction of ours waits for us, so 1 s of that is a fault.
# The server lets go of a client whose machine has vanished after 10 s, with the lock that a commit under way may hold;
# keepalives each minute keep the connection known to firewalls. Compiling short statements costs more than it saves.
# Every statement of ours walks indexes, a few entries at a time and in their order. A plan is made once per connection,
# perhaps while the tables are empty and everything costs the same; what suits only small tables is kept out of it.
_SETTINGS = f"""
SET application_name = '{APPLICATION}';
SET default_transaction_isolation = 'read committed';
SET statement_timeout = '5s';
SET lock_timeout = '2s';
SET idle_in_transaction_session_timeout = '1s';
SET tcp_user_timeout = '10s';
SET tcp_keepalives_idle = '60s';
SET jit = off;
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_sort = off;
SET enable_incremental_sort = off
"""
_SCHEMES = frozenset({"postgresql", "postgres"})
CONNECT_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError)
"""What the driver raises where no connection comes about: about the network, the server, the session, the address."""


class DatabaseRefusedError(Exception):
    """The database can't be used, for a reason that one sentence tells; it holds no secret."""


class Connector:
    """Connects to the hosts of an address in turn, beginning with the one that served last."""

    def __init__(self, url: str) -> None:
        """Name the database; whether that is an address shows when it is connected to."""
        self._url = url
        self._last = 0

    async def connect(self) -> asyncpg.Connection:
        """Connect and make the session ours.

        Raises:
            Exception: one of ``CONNECT_ERRORS``, which ``describe`` puts into words.
            DatabaseRefusedError: the address is none.
        """
        connection = await self.connect_bare()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.execute(_SETTINGS)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def connect_bare(self) -> asyncpg.Connection:
        """Connect and leave the session as it is."""
        urls = _urls_of_hosts(self._url)
        told: Exception | None = None
        for number in range(self._last, self._last + len(urls)):
            index = number % len(urls)
            try:
                connection = await _connect_to(urls[index])
            except CONNECT_ERRORS as error:
                # What a server says tells more than that another one is down.
                told = error if told is None or isinstance(error, asyncpg.PostgresError) else told
            else:
                self._last = index
                return connection
        raise told or RuntimeError("an address without a host was accepted")


def describe(error: Exception) -> str:
    """Say in one sentence why there is no connection; the driver's words about the address itself may hold secrets."""
    match error:
        case asyncpg.TargetServerAttributeNotMatched():
            return "PostgreSQL is reachable, but no host of the address is a primary that takes writes."
        case asyncpg.PostgresError():
            return f"PostgreSQL refuses the connection: {error.args[0]}."
        case TimeoutError():
            return f"PostgreSQL does not answer within {CONNECT_SECONDS:g} s; check the host and the port."
        case OSError():
            return f"PostgreSQL can't be reached ({_reason_of(error)}); check the host and the port."
        case _:
            return "is not an address of PostgreSQL such as postgresql://user:password@host:5432/database."


async def _connect_to(url: str) -> asyncpg.Connection:
    # Everything goes to the primary: a standby lags behind, and takes no writes.
    asked = "target_session_attrs" in parse_qs(urlsplit(url).query)
    return await asyncpg.connect(
        url,
        timeout=CONNECT_SECONDS,
        statement_cache_size=STATEMENT_CACHE,
        max_cached_statement_lifetime=0,
        target_session_attrs=None if asked else asyncpg.connect_utils.SessionAttribute.primary,
    )


def _reason_of(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _urls_of_hosts(url: str) -> list[str]:
    """Split an address of several hosts, so that each has its own time to answer."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise DatabaseRefusedError(describe(error)) from None
    if parts.scheme not in _SCHEMES:
        raise DatabaseRefusedError(describe(ValueError()))
    login, at, hosts = parts.netloc.rpartition("@")
    return [urlunsplit(parts._replace(netloc=login + at + host)) for host in hosts.split(",")]
