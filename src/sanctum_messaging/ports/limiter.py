"""The limiter: counts what callers do, in this process or for all instances together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from sanctum_messaging.domain.limits import Charge, Level, Limit, Verdict


class LocalLimiter(Protocol):
    """Counts in this process, in whole milliseconds. The charges of one call are of different limits or keys.

    Memory is bounded, and what of a limit is forgotten first has the least of it used.
    """

    def take(self, charges: Sequence[Charge]) -> Verdict:
        """Take one from each limit, or nothing from any if one of them has none left."""
        ...

    def find_refusal(self, charges: Sequence[Charge]) -> tuple[Limit, int] | None:
        """Take nothing; tell what would be refused: the limit that has to be waited for longest, and how long in ms."""
        ...

    def look(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        """Tell the levels and take nothing."""
        ...


class Limiter(Protocol):
    """Counts for all instances that share it. Calls are answered in the order in which they were made.

    The charges of one call are of different limits or keys.
    """

    def take(self, charges: Sequence[Charge]) -> Verdict | Awaitable[Verdict]:
        """Take one from each limit, or nothing from any if one of them has none left; atomic over all instances.

        The verdict is there at once, unless others have to be asked for it. Never fails: while what is shared can't be
        reached, this instance counts its share of each limit by itself.
        """
        ...

    async def look(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        """Tell the levels and take nothing."""
        ...
