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

    _Bucket = tuple["_Callers", OrderedDict[str, int], str, int, int, int]
    """Who counts in it, when each is full, whose it is, and of his limit the most, the interval and the whole."""

MAX_CALLERS = 50_000
"""Of one limit who have not all of it; they need 15 MB. As each limit has its own, addresses can't push users out."""
FEW = 4_000
"""So many are kept even though they have all of their limit again: most come back, and who is known costs half."""
LOOKED_AT = 2
"""Callers of longest standing who are looked at when a new one comes, so that more may leave than come."""
MAX_FOUND = 4_096
"""Charges of which it is known what they are counted in; ``guards.limits`` gives so many callers the same each time."""
COMPARED = 4
"""Callers of whom one is forgotten when it is full: a refused one stays next to three who used less."""


class MemoryLimiter:
    """``ports.limiter.LocalLimiter``."""

    def __init__(self, clock: Clock, *, max_callers: int = MAX_CALLERS) -> None:
        """Remember so many callers of each limit."""
        self._monotonic = clock.monotonic
        self._max_callers = max_callers
        self._callers: dict[str, _Callers] = {}
        self._found: dict[int, tuple[Sequence[Charge], tuple[_Bucket, ...]]] = {}
        """What charges are counted in, by which objects they are: what is kept here keeps its identity."""

    def take(self, charges: Sequence[Charge]) -> Verdict:
        """Take one from each limit, or nothing from any; see the port."""
        now = int(self._monotonic() * 1000)
        _, buckets = self._found.get(id(charges)) or self._find(charges)
        left: list[Left] = []
        # Every request passes here, so it calls next to nothing.
        for callers, full_at, key, most, interval, whole in buckets:
            empty = now * most
            at = full_at.get(key, 0)
            if at <= empty:
                if not at and len(full_at) >= callers.few:
                    callers.make_room(empty)
                at = empty
            at += interval
            used = at - empty
            if used > whole:
                _give_back(buckets[: len(left)])
                return self._refuse(charges, buckets, now)
            full_at[key] = at
            left.append(((whole - used) // interval, -(-used // most)))
        return Verdict(charges, left)

    def find_refusal(self, charges: Sequence[Charge]) -> tuple[Limit, int] | None:
        """Tell what would be refused; see the port."""
        now = int(self._monotonic() * 1000)
        _, buckets = self._found.get(id(charges)) or self._find(charges)
        for _, full_at, key, most, interval, whole in buckets:
            if full_at.get(key, 0) - now * most + interval > whole:
                _, _, refused, wait = self._refuse(charges, buckets, now)
                return None if refused is None else (refused, wait)
        return None

    def look(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        """Tell the levels; see the port."""
        now = int(self._monotonic() * 1000)
        _, buckets = self._found.get(id(charges)) or self._find(charges)
        debts = [_debt(bucket, now) for bucket in buckets]
        return tuple([Level(limit, *left_at(limit, debt)) for (limit, _), debt in zip(charges, debts, strict=True)])

    def _refuse(self, charges: Sequence[Charge], buckets: Sequence[_Bucket], now: int) -> Verdict:
        debts = [_debt(bucket, now) for bucket in buckets]
        limits = [limit for limit, _ in charges]
        waits = list(map(wait_ms, limits, debts))
        longest = max(waits)
        return Verdict(charges, list(map(left_at, limits, debts)), limits[waits.index(longest)], longest)

    def _find(self, charges: Sequence[Charge]) -> tuple[Sequence[Charge], tuple[_Bucket, ...]]:
        found = charges, tuple([self._callers_of(limit).bucket(key) for limit, key in charges])
        # A list may hold something else the next time.
        if isinstance(charges, tuple):
            if len(self._found) >= MAX_FOUND:
                self._found.clear()
            self._found[id(charges)] = found
        return found

    def __len__(self) -> int:
        return sum(len(callers.full_at) for callers in self._callers.values())

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

    __slots__ = ("_max_callers", "few", "full_at", "limit")

    def __init__(self, limit: Limit, max_callers: int) -> None:
        self.limit = limit
        self._max_callers, self.few = max_callers, min(max_callers, FEW)
        self.full_at: OrderedDict[str, int] = OrderedDict()

    def bucket(self, key: str) -> _Bucket:
        """Put together all that it takes to count one of them; the whole is the debt with which nothing is left."""
        most, interval = self.limit.max, self.limit.interval_ms
        return self, self.full_at, key, most, interval, most * interval

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


def _give_back(buckets: Sequence[_Bucket]) -> None:
    """Undo what was just taken; whose turn it was to be forgotten meanwhile has nothing to get back."""
    for _, full_at, key, _, interval, _ in buckets:
        if key in full_at:
            full_at[key] -= interval


def _debt(bucket: _Bucket, now: int) -> int:
    _, full_at, key, most, _, _ = bucket
    return max(0, full_at.get(key, 0) - now * most)
