"""Which tokens were withdrawn; every instance follows the same list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.domain.revocation import NewRevocation, Revocation


class Revocations(Protocol):
    """The list of revocations. Rows past their time are forgotten, the newest row never."""

    async def add(self, new: NewRevocation) -> Revocation:
        """Store a revocation; it is durable on return, and every later ``read_from`` of anybody shows it.

        Ids grow in the order of the commits: whoever has seen one has seen, or can still read, all below. May store it
        twice if a connection is lost, which changes nothing.

        Raises:
            UnavailableError: it was not stored; with ``outcome_unknown``, perhaps it was.
        """
        ...

    async def read_from(self, revocation_id: int, *, limit: int) -> Sequence[Revocation]:
        """Read the revocation of this id and those after it, ascending by id; costs what it returns.

        Whoever asks for the last one he knows and gets another, or none, learns that the list is no longer the one that
        he followed: a backup was restored, or a failover lost commits.

        Raises:
            UnavailableError: the list can't be read now.
        """
        ...
