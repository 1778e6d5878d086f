"""Which handshakes are taken on at all: decided before a token is looked at, by what this instance can bear.

Whoever is refused because it is too much comes back, and is told when: at random, within a time that grows with how
much is waiting. A herd that lost an instance comes in as fast as it can be served, and holds up nobody who is in.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sanctum_messaging.domain.errors import RateLimitedError, UnavailableError
from sanctum_messaging.domain.limits import Scope
from sanctum_messaging.guards.addresses import NOBODY, Networks, limit_key

if TYPE_CHECKING:
    from collections.abc import Callable

BURST_SECONDS = 4.0
"""How many seconds' worth of handshakes may come at once."""
MAX_WAITING_PAGES = 128
"""Pages of catch-ups that may wait for the database: about half a second of work for it."""
FEWEST_PER_SECOND = 100
"""How fast those who were refused are let come back where no rate is configured."""
SOONEST_SECONDS = 1.0
LONGEST_SPREAD_SECONDS = 30.0
"""What a client waits by himself after many attempts."""
ADDRESS_SPREAD_SECONDS = 10.0
"""When an address whose places are all taken may try again: nobody knows when one of them will be left."""
_UNKNOWN = "-"
"""Whom a socket stands for whose address nobody knows."""

_random = random.SystemRandom()


class Refusal(StrEnum):
    """Why a handshake was not taken on."""

    ADDRESS = "address"
    """Its address holds as many sockets as it may."""
    RATE = "rate"
    """More came than are taken on in a second."""
    CATCH_UPS = "catch_ups"
    """Too many pages wait to be read from the database."""


@dataclass(frozen=True, slots=True)
class HandshakeSettings:
    """How much an operator allows of one instance; 0 is no limit. ``exempt`` addresses hold as many as they like."""

    per_second: int = 0
    per_address: int = 0
    exempt: Networks = NOBODY


class Handshakes:
    """Takes handshakes on, and counts the sockets of each address as long as they last."""

    def __init__(
        self,
        settings: HandshakeSettings,
        *,
        monotonic: Callable[[], float],
        waiting: Callable[[], int],
        draw: Callable[[float, float], float] = _random.uniform,
    ) -> None:
        """``waiting`` tells how many pages wait to be read; ``draw`` gives a number between two."""
        self._settings = settings
        self._monotonic = monotonic
        self._waiting = waiting
        self._draw = draw
        self._rate = settings.per_second or FEWEST_PER_SECOND
        self._free_at = 0.0
        """When all that may come at once may come again; GCRA."""
        self._away = 0.0
        """About how many were refused and have not come back yet, as of ``_away_at``."""
        self._away_at = 0.0
        self._places: Counter[str] = Counter()
        self.refused: Counter[Refusal] = Counter(dict.fromkeys(Refusal, 0))

    def take_on(self, address: str | None) -> Callable[[], None]:
        """Take a handshake on; call what is returned once, when its socket is over or did not come to be.

        Raises:
            RateLimitedError: its address has no place left.
            UnavailableError: ``overloaded``; nothing was taken from anybody.
        """
        key = self._find_key(address)
        if key is not None and self._places[key] >= self._settings.per_address:
            self.refused[Refusal.ADDRESS] += 1
            raise RateLimitedError(Scope.ADDRESS, self._wait_ms(ADDRESS_SPREAD_SECONDS), "sockets-address")
        self._check_load(self._monotonic())
        if key is None:
            return _leave_nothing
        self._places[key] += 1
        return lambda: self._leave(key)

    def _find_key(self, address: str | None) -> str | None:
        """Name whose place a socket takes; none if that is not counted."""
        if not self._settings.per_address or (address is not None and address in self._settings.exempt):
            return None
        return _UNKNOWN if address is None else limit_key(address)

    def _leave(self, key: str) -> None:
        self._places[key] -= 1
        if not self._places[key]:
            del self._places[key]

    def _check_load(self, now: float) -> None:
        if self._waiting() >= MAX_WAITING_PAGES:
            self._refuse(Refusal.CATCH_UPS, now)
        free_at = max(self._free_at, now) + 1 / self._rate
        if self._settings.per_second and free_at > now + BURST_SECONDS:
            self._refuse(Refusal.RATE, now)
        self._free_at = free_at

    def _refuse(self, reason: Refusal, now: float) -> None:
        """Send a client away, the longer the more there are who were."""
        self.refused[reason] += 1
        self._away = max(0.0, self._away - (now - self._away_at) * self._rate) + 1
        self._away_at = now
        spread = (self._away + self._waiting()) / self._rate
        raise UnavailableError(
            "More sockets are being opened than the service can take on.",
            code="overloaded",
            retry_after_ms=self._wait_ms(min(SOONEST_SECONDS + spread, LONGEST_SPREAD_SECONDS)),
        )

    def _wait_ms(self, spread_seconds: float) -> int:
        return int(1000 * self._draw(SOONEST_SECONDS, SOONEST_SECONDS + spread_seconds))


def _leave_nothing() -> None:
    """No place was taken."""
