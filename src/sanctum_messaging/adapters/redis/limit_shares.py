"""What this instance decides by itself: its share of each limit, as if callers were spread over the instances."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.redis.limit_batch import INSTANCE_SECONDS
from sanctum_messaging.domain.limits import Charge, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.domain.limits import Limit
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.limiter import LocalLimiter

NEVER_SECONDS = 1e9
"""Longer ago than any limit's interval, whatever the clock says."""


class Shares:
    """Each limit divided by the number of instances, at least one per interval."""

    def __init__(self, local: LocalLimiter, clock: Clock) -> None:
        """Count in ``local``, under names of our own."""
        self._local = local
        self._monotonic = clock.monotonic
        self._instances = 1
        self._shares: dict[str, tuple[Limit, Limit]] = {}
        """Of each limit by its name: the limit and its share."""
        self._fewer_since: float | None = None
        self._decided_at = -NEVER_SECONDS
        """When something was last decided here."""

    @property
    def instances(self) -> int:
        """By how many the limits are divided."""
        return self._instances

    def count(self, instances: int | None) -> None:
        """Divide the limits by so many, or as before if it could not be learned.

        Fewer are believed only once they were fewer all the time in which every instance shows itself: a Redis that was
        emptied knows of nobody at first.
        """
        now = self._monotonic()
        if instances is None or instances >= self._instances:
            self._fewer_since = None
        elif self._fewer_since is None:
            self._fewer_since = now
        if instances is not None and (self._fewer_since is None or now - self._fewer_since >= INSTANCE_SECONDS):
            self._instances = instances
            self._fewer_since = None

    def take(self, charges: Sequence[Charge]) -> Verdict:
        """Take one from each share, or nothing from any."""
        self._decided_at = self._monotonic()
        _, left, refused, retry_after_ms = self._local.take(self._of(charges))
        return Verdict(charges, left, self._limit_of(refused), retry_after_ms)

    def look(self, charges: Sequence[Charge]) -> Verdict:
        """Tell the levels of the shares and take nothing."""
        return Verdict(charges, [(level.remaining, level.reset_ms) for level in self._local.look(self._of(charges))])

    def told_ms(self, charge: Charge) -> int:
        """Return in how many milliseconds the limit can be full at the earliest, by what was let pass here.

        As callers are taken to be spread evenly, the whole was used as far as the share was, and one of a share, which
        counts as used until all of it has come back, stands for one on each instance. Redis is told until it makes no
        difference any more, and each time of a moment that is no later than before.
        """
        since_ms = int((self._monotonic() - self._decided_at) * 1000)
        if since_ms >= charge.limit.interval_ms:
            return 0
        share, key = self._of([charge])[0]
        left = self._local.look([Charge(share, key)])[0].reset_ms
        return left and min(left + share.interval_ms // share.max, share.interval_ms - since_ms)

    def _of(self, charges: Sequence[Charge]) -> list[Charge]:
        return [Charge(self._share_of(limit), key) for limit, key in charges]

    def _share_of(self, limit: Limit) -> Limit:
        found = self._shares.get(limit.name)
        most = max(1, limit.max // self._instances)
        if found is None or found[1].max != most or (found[0] is not limit and found[0] != limit):
            share = replace(limit, name=f"share-of-{limit.name}", max=most)
            found = self._shares[limit.name] = (limit, share)
        return found[1]

    def _limit_of(self, share: Limit | None) -> Limit | None:
        return None if share is None else self._shares[share.name.removeprefix("share-of-")][0]
