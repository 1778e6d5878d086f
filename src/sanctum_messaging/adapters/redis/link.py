"""Serving over one connection after another, for as long as it takes."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.redis.availability import Outage
from sanctum_messaging.adapters.redis.connection import UNAVAILABLE, open_connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import NoReturn

    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection

    from sanctum_messaging.adapters.redis.settings import BusSettings


class Link:
    """A connection outside the pool that is made again whenever it is lost, ever less often while that is in vain."""

    def __init__(self, redis: Redis, part: str, settings: BusSettings) -> None:
        self._redis = redis
        self._outage = Outage(part)
        self._settings = settings
        self._backoff = settings.min_backoff_seconds

    async def keep(self, serve: Callable[[AbstractConnection], Awaitable[NoReturn]]) -> NoReturn:
        """Serve until cancelled; ``serve`` raises what the driver raises, and calls ``note_use`` when all is well."""
        while True:
            try:
                async with open_connection(self._redis) as connection:
                    await serve(connection)
            except UNAVAILABLE as error:
                self._outage.note_failure(error)
            # Instances that lost the same server don't come back to it in step.
            await asyncio.sleep(self._backoff * random.uniform(0.5, 1.0))  # noqa: S311 - nobody gains by guessing it
            self._backoff = min(self._backoff * 2, self._settings.max_backoff_seconds)

    def note_use(self) -> None:
        """Note that the connection was of use, which ends an outage."""
        self._outage.note_success()
        self._backoff = self._settings.min_backoff_seconds
