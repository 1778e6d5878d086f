"""Who was refused, until when: he is refused again without asking, for nobody is let in earlier than he was told."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.adapters.redis.limit_batch import Reply
    from sanctum_messaging.domain.limits import Charge, Verdict
    from sanctum_messaging.ports.clock import Clock

MAX_REFUSALS = 10_000
"""One that is forgotten costs a call of the script."""


class Refusals:
    """Replies that refused, each until the same charges may pass."""

    def __init__(self, clock: Clock, *, max_refusals: int = MAX_REFUSALS) -> None:
        """Remember so many, the newest ones."""
        self._monotonic = clock.monotonic
        self._max_refusals = max_refusals
        self._refusals: OrderedDict[tuple[tuple[str, str], ...], tuple[int, int, Reply]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._refusals)

    def remember(self, reply: Reply, retry_after_ms: int) -> None:
        """Refuse the same charges so long."""
        now = int(self._monotonic() * 1000)
        key = _key(reply.check.charges)
        self._refusals[key] = (now, now + retry_after_ms, reply)
        self._refusals.move_to_end(key)
        if len(self._refusals) > self._max_refusals:
            self._refusals.popitem(last=False)

    def find(self, charges: Sequence[Charge]) -> Verdict | None:
        """Return the refusal of these charges that holds still, with the levels as they are by now."""
        if not self._refusals:
            return None
        key = _key(charges)
        found = self._refusals.get(key)
        if found is None:
            return None
        then, until, reply = found
        now = int(self._monotonic() * 1000)
        if now >= until:
            del self._refusals[key]
            return None
        return reply.verdict(now - then)


def _key(charges: Sequence[Charge]) -> tuple[tuple[str, str], ...]:
    return tuple([(limit.name, key) for limit, key in charges])
