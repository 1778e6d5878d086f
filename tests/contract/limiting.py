"""What every limiter has to answer, worked out with fractions: the model that the limiters are held against."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from sanctum_messaging.domain.limits import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.domain.limits import Charge, Limit, Verdict


class Answer(NamedTuple):
    """A verdict as a caller sees it."""

    levels: tuple[Level, ...]
    refused: Limit | None = None
    retry_after_ms: int = 0

    @classmethod
    def of(cls, verdict: Verdict) -> Answer:
        return cls(verdict.levels, verdict.refused, verdict.retry_after_ms)

    def is_tightest(self, level: Level) -> bool:
        """Tell whether no other level is in the way before this one."""
        if self.refused is not None:
            return level.limit is self.refused and level in self.levels
        return level in self.levels and level.remaining == min(each.remaining for each in self.levels)


class ExactLimits:
    """Buckets that hold fractions of uses, and are filled continuously. They are full at first."""

    def __init__(self) -> None:
        self.now_ms = 0
        self._used: dict[tuple[str, str], tuple[Fraction, int]] = {}

    def take(self, charges: Sequence[Charge]) -> Answer:
        waits = {charge.limit: self._wait(charge) for charge in charges}
        longest = max(waits.values())
        if longest > 0:
            refused = next(limit for limit, wait in waits.items() if wait == longest)
            return Answer(self.look(charges), refused, longest)
        for charge in charges:
            self._used[charge.limit.name, charge.key] = (self._used_by(charge) + 1, self.now_ms)
        return Answer(self.look(charges))

    def look(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        return tuple(self._level(charge) for charge in charges)

    def _level(self, charge: Charge) -> Level:
        used = self._used_by(charge)
        return Level(charge.limit, math.floor(charge.limit.max - used), math.ceil(used / rate(charge.limit)))

    def _wait(self, charge: Charge) -> int:
        return max(0, math.ceil((self._used_by(charge) + 1 - charge.limit.max) / rate(charge.limit)))

    def _used_by(self, charge: Charge) -> Fraction:
        used, then = self._used.get((charge.limit.name, charge.key), (Fraction(0), 0))
        return max(Fraction(0), used - (self.now_ms - then) * rate(charge.limit))


def rate(limit: Limit) -> Fraction:
    """How many come back in each millisecond."""
    return Fraction(limit.max, limit.interval_ms)
