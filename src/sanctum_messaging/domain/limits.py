"""What callers may do only so often, and how a limit is told to them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

Left = tuple[int, int]
"""How often a limit may be drawn on at once, and in how many milliseconds all of it will be there again."""


class Use(StrEnum):
    """What is asked for, as the limits tell it apart."""

    SEND = "send"
    """Messages sent, edited and deleted."""
    READ = "read"
    CREATE = "create"
    """Conversations and participants, created and changed."""
    CONNECT = "connect"
    OPEN = "open"
    """The stream of a socket that was let in before anybody knew whose it is."""
    RENEW = "renew"
    """A fresh token for a socket that is open."""


class Scope(StrEnum):
    """Whose limit it is."""

    ADDRESS = "address"
    DEVICE = "device"
    SESSION = "session"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Limit:
    """``max`` pass at once, and then one each ``interval_ms / max``: over any longer time no more than that rate.

    ``name`` is unique, such as ``send-user``; ``max`` is 1 to 10^9.
    """

    name: str
    scope: Scope
    max: int
    interval_ms: int


# A check makes several of the following, and named tuples are made in half the time of frozen dataclasses.


class Charge(NamedTuple):
    """One use of a limit by one caller. ``key`` names him within the limit; it may hold any text."""

    limit: Limit
    key: str


class Level(NamedTuple):
    """What is left of a limit for a caller, and in how many milliseconds all of it will be there again."""

    limit: Limit
    remaining: int
    reset_ms: int


class Verdict(NamedTuple):
    """Whether all charges together passed, and what is left of the limit of each afterwards, in their order.

    If one did not, ``refused`` is the limit that has to be waited for longest, nothing was taken from any, and after
    ``retry_after_ms`` the same charges pass, if nobody else uses the limits meanwhile.
    """

    charges: Sequence[Charge] = ()
    left: Sequence[Left] = ()
    refused: Limit | None = None
    retry_after_ms: int = 0

    @property
    def levels(self) -> tuple[Level, ...]:
        """What is left, in words."""
        return tuple([Level(limit, *left) for (limit, _), left in zip(self.charges, self.left, strict=True)])

    @property
    def tightest(self) -> int:
        """The place of what is in the way, or else will be first: every answer tells this one, and hardly any the rest.

        There has to be one.
        """
        if self.refused is None:
            return self.left.index(min(self.left))
        return [limit for limit, _ in self.charges].index(self.refused)


# A debt is what was used of a limit and has not come back yet. Its unit is so small that nothing is ever rounded: one
# use is ``interval_ms`` of it, and each millisecond ``max`` of it come back.


def left_at(limit: Limit, debt: int) -> Left:
    """Tell what is left of a limit with such a debt."""
    interval, most = limit.interval_ms, limit.max
    return (most * interval - debt) // interval, (debt + most - 1) // most


def wait_ms(limit: Limit, debt: int) -> int:
    """Return in how many milliseconds one may be taken: 0 if at once, else just enough of them."""
    excess = debt - (limit.max - 1) * limit.interval_ms
    return -(-excess // limit.max) if excess > 0 else 0
