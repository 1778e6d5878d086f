"""Connections that find where a name leads to before they are made, one look-up at a time."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from redis.asyncio import Connection, SSLConnection


class NameLookup:
    """One look-up for all who want to connect, and none further before it has ended.

    A resolver that hangs keeps a thread for each question, of the few that all questions of the process share, and
    longer than anybody waits for it. Asked again and again for Redis, it would keep PostgreSQL from being found, too.
    """

    def __init__(self) -> None:
        self._looking: asyncio.Task[object] | None = None

    async def check(self, host: str, port: int) -> None:
        """Return once the name was found; it is not looked up anew for who comes meanwhile, nor ended by who leaves.

        Raises:
            OSError: it was not.
        """
        looking = self._looking
        if looking is None or looking.done():
            look_up = asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            looking = self._looking = asyncio.ensure_future(look_up)
            looking.add_done_callback(_note)
        await asyncio.wait([looking])
        looking.result()


class LookedUpConnection(Connection):
    """A connection of the driver, which looks the name up by itself: at once, since that has just been done."""

    def __init__(self, *, lookup: NameLookup, **options: Any) -> None:  # noqa: ANN401 - they are the driver's
        super().__init__(**options)
        self._lookup = lookup

    async def _connect(self) -> None:
        await self._lookup.check(self.host, self.port)
        await super()._connect()  # type: ignore[no-untyped-call] # the driver says no more


class LookedUpSSLConnection(LookedUpConnection, SSLConnection):
    """As above, with TLS."""


def _note(looking: asyncio.Task[object]) -> None:
    """Take note of how it ended, though nobody may wait for it any more."""
    if not looking.cancelled():
        looking.exception()
