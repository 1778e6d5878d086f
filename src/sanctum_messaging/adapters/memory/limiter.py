"""Rate limits counted in this process: exact, at once, and in bounded memory.

This is GCRA: of each caller it is only known when all of his limit will be there again, if he takes nothing more until
then. That time is a whole number of parts of a millisecond, ``limit.max`` of them, so that nothing is rounded.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from sanctum_messaging.domain.limits import Level, Verdict, left_at, wait_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.domain.limits import Charge, Left, Limit
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.limiter import LocalLimiter

MAX_CALLERS = 50_000
"""Of one limit who have not all of it; they need 15 MB. As each limit has its own, addresses can't push users out."""
FEW = 4_000
"""So many are kept even though they have all of their limit again: most come back, and who is known costs half."""
LOOKED_AT = 2
"""Callers of longest standing who are looked at when a new one comes, so that more may leave than come."""
COMPARED = 4
"""Callers of whom one is forgotten when it is full: a refused one stays next to three who used less."""


class MemoryLimiter:
    """``ports.limiter.LocalLimiter``."""

    def __init__(self, clock: Clock, *, max_callers: int = MAX_CALLERS) -> None:
        """Remember so many callers of each limit."""
        self._monotonic = clock.monotonic
        self._max_callers = max_callers
        self._callers: dict[str, _Callers] = {}

    def take(self, charges: Sequence[Charge]) -> Verdict:
        """Take one from each limit, or nothing from any; see the port."""
        now = int(self._monotonic() * 1000)
        longest, refused = 0, None
        found: list[tuple[_Callers, str, int]] = []
        for limit, key in charges:
            callers = self._callers.get(limit.name)
            if callers is None or callers.limit is not limit:
                callers = self._callers_of(limit)
            debt = callers.full_at.get(key, 0) - now * callers.max
            if debt > callers.passing and (wait := wait_ms(limit, debt)) > longest:
                longest, refused = wait, limit
            found.append((callers, key, debt))
        if refused is None:
            return Verdict(charges, _take_each(found, now))
        left = [left_at(callers.limit, max(0, debt)) for callers, _, debt in found]
        return Verdict(charges, left, refused, longest)

    def find_refusal(self, charges: Sequence[Charge]) -> tuple[Limit, int] | None:
        """Tell what would be refused; see the port."""
        now = int(self._monotonic() * 1000)
        longest, refused = 0, None
        for limit, key in charges:
            callers = self._callers.get(limit.name)
            if callers is None or callers.limit is not limit:
                callers = self._callers_of(limit)
            debt = callers.full_at.get(key, 0) - now * callers.max
            if debt > callers.passing and (wait := wait_ms(limit, debt)) > longest:
                longest, refused = wait, limit
        return None if refused is None else (refused, longest)

    def look(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        """Tell the levels; see the port."""
        now = int(self._monotonic() * 1000)
        return tuple([Level(limit, *left_at(limit, self._debt(limit, key, now))) for limit, key in charges])

    def __len__(self) -> int:
        return sum(len(callers.full_at) for callers in self._callers.values())

    def _debt(self, limit: Limit, key: str, now: int) -> int:
        return max(0, self._callers_of(limit).full_at.get(key, 0) - now * limit.max)

    def _callers_of(self, limit: Limit) -> _Callers:
        callers = self._callers.get(limit.name)
        if callers is None or (callers.limit is not limit and callers.limit != limit):
            callers = self._callers[limit.name] = _Callers(limit, self._max_callers)
        return callers


class LocalOnly:
    """``ports.limiter.Limiter`` of a service that has one process, or instances that share nothing fast enough."""

    def __init__(self, local: LocalLimiter) -> None:
        """Count here, in the same buckets as others who use this limiter."""
        self._local = local

    def take(self, charges: Sequence[Charge]) -> Verdict:
        """Take one from each limit, which never waits; see the port."""
        return self._local.take(charges)

    async def look(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        """Tell the levels; see the port."""
        return self._local.look(charges)


class _Callers:
    """Those who have not all of one limit: for each, when he will have it, in parts of a millisecond."""

    __slots__ = ("_max_callers", "few", "full_at", "interval_ms", "limit", "max", "passing", "whole")

    def __init__(self, limit: Limit, max_callers: int) -> None:
        self.limit, self.max, self.interval_ms = limit, limit.max, limit.interval_ms
        self.passing = (limit.max - 1) * limit.interval_ms
        """The debt with which one more may be taken."""
        self.whole = limit.max * limit.interval_ms
        """The debt with which nothing is left."""
        self._max_callers, self.few = max_callers, min(max_callers, FEW)
        self.full_at: OrderedDict[str, int] = OrderedDict()

    def make_room(self, now: int) -> None:
        """Forget those of longest standing who have all again, and if it is full one who has not."""
        full_at = self.full_at
        for _ in range(min(LOOKED_AT, len(full_at))):
            key, at = full_at.popitem(last=False)
            if at > now:
                full_at[key] = at
        if len(full_at) >= self._max_callers:
            self._forget_one()

    def _forget_one(self) -> None:
        """Forget who will have all again soonest, of a few.

        Nobody gets rid of a refusal by a flood of other names, unless he uses as much of the limit under each of them.
        """
        few = [self.full_at.popitem(last=False) for _ in range(min(COMPARED, len(self.full_at)))]
        few.remove(min(few, key=lambda each: each[1]))
        self.full_at.update(few)


def _take_each(found: Sequence[tuple[_Callers, str, int]], now: int) -> list[Left]:
    """Add one use to what each has used, and tell what is left. Every request passes here: it calls next to nothing."""
    left = []
    for callers, key, debt in found:
        full_at, most, interval = callers.full_at, callers.max, callers.interval_ms
        if key not in full_at and len(full_at) >= callers.few:
            callers.make_room(now * most)
        used = interval + debt if debt > 0 else interval
        full_at[key] = now * most + used
        left.append(((callers.whole - used) // interval, (used + most - 1) // most))
    return left
