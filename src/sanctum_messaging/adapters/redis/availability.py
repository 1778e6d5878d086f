"""Asking Redis for what can be done without: an answer within a moment, or none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import structlog
from redis.exceptions import TimeoutError as RedisTimeoutError

from sanctum_messaging.adapters.redis.connection import ANSWER_SECONDS, UNAVAILABLE, UNINTELLIGIBLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

MAX_CALLS = 24
"""At a time, of one part of the service: two parts and what the driver does besides fit into the pool."""
PAUSE_SECONDS = 1.0
"""Nobody is asked for so long after he let somebody wait in vain; who refuses at once may be asked again at once."""

_log = structlog.get_logger(__name__)


class Outage:
    """Tells in the log when an outage begins and when it ends, and not of each call in between."""

    def __init__(self, part: str) -> None:
        """Name the part of the service that suffers."""
        self.part = part
        self.lasts = False
        self.failures = 0
        """Calls that failed, from the beginning on."""

    def note_failure(self, error: Exception) -> None:
        """Count a failure; the first one of an outage is logged."""
        self.failures += 1
        if not self.lasts:
            _log.warning("redis_unavailable", part=self.part, error=type(error).__name__)
        self.lasts = True

    def note_success(self) -> None:
        """End the outage, if there is one."""
        if self.lasts:
            _log.info("redis_available", part=self.part)
        self.lasts = False


class Availability:
    """The one way in which the stores speak to Redis: its absence is an answer, and never an exception."""

    def __init__(
        self, part: str, *, answer_seconds: float = ANSWER_SECONDS, pause_seconds: float = PAUSE_SECONDS
    ) -> None:
        """Name the part of the service that asks."""
        self.outage = Outage(part)
        self.refused = 0
        """Calls that were not made, because the one before had waited in vain."""
        self._answer_seconds = answer_seconds
        self._pause_seconds = pause_seconds
        self._paused_until = float("-inf")
        self._places = asyncio.Semaphore(MAX_CALLS)

    async def ask(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """Make a call of the driver and return its answer; none if there is none within a second, for any reason."""
        now = asyncio.get_running_loop().time
        if now() < self._paused_until:
            self.refused += 1
            return None
        try:
            async with asyncio.timeout(self._answer_seconds), self._places:
                answer = await call()
        except (*UNAVAILABLE, *UNINTELLIGIBLE) as error:
            if isinstance(error, TimeoutError | RedisTimeoutError):
                self._paused_until = now() + self._pause_seconds
            self.outage.note_failure(error)
            return None
        self.outage.note_success()
        return answer
