"""Nobody does more than he may: what is above a limit is refused, or in shadow mode only told to the operator."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import structlog

from sanctum_messaging.domain.errors import RateLimitedError
from sanctum_messaging.domain.limits import Scope, Use, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sanctum_messaging.domain.limits import Level, Limit
    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.guards.limits import Limits
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.limiter import Limiter, LocalLimiter

    Tell = Callable[[Verdict], object]
    """Is told what the limits said, before anything is refused."""

SHADOW_LOG_SECONDS = 10.0
"""How often at most the log says of a limit that it would have refused something."""
MAX_SPENT = 4_096
"""Addresses with nothing left that are known as such."""
NO_LIMITS = Verdict()

_log = structlog.get_logger("sanctum.limits")


class RateLimits:
    """Takes from the limits for all that callers do. Nothing is taken for what is refused.

    Who is calling decides, for all instances together, and his address with him, in one step. Where nobody is known
    yet, or never will be, an address is counted in this process alone: strangers cost no round trip.
    """

    def __init__(self, limits: Limits, *, limiter: Limiter, local: LocalLimiter, shadow: Shadow | None = None) -> None:
        self.refused: Counter[str] = Counter(dict.fromkeys(limits.names, 0))
        """How often each limit refused something."""
        self.spent: dict[str, None] = {}
        """By what name addresses are counted that had nothing left when they last were: mostly there are none."""
        self._limits = limits
        self._limiter = limiter
        self._local = local
        self._shadow = shadow

    @property
    def spared(self) -> dict[str, int]:
        """How often each limit would have refused something, in shadow mode."""
        return {**dict.fromkeys(self.refused, 0), **({} if self._shadow is None else self._shadow.noted)}

    def check_address(self, use: Use, address: str | None) -> None:
        """Take nothing, and refuse an address that has nothing left here.

        Raises:
            RateLimitedError: it has not.
        """
        charges = self._limits.of_address(use, address) if self.spent else ()
        if not charges or charges[0].key not in self.spent:
            return
        refused = self._local.find_refusal(charges)
        if refused is not None:
            self._refuse(*refused)
        if self._local.find_refusal(self._limits.of_address(Use.CONNECT, address)) is None:
            # These are all of its limits, and it has something of each again.
            del self.spent[charges[0].key]

    def count_address(self, use: Use, address: str | None) -> None:
        """Take from an address for something that was refused or served without asking who it is for."""
        charges = self._limits.of_address(use, address)
        verdict = self._local.take(charges) if charges else NO_LIMITS
        self._find_spent(verdict)
        if verdict.refused is not None and self._shadow is not None:
            self._shadow.note(verdict.refused)

    def take_address(self, use: Use, address: str | None) -> None:
        """Take from an address before anybody knows who is calling.

        Raises:
            RateLimitedError: nothing is left.
        """
        charges = self._limits.of_address(use, address)
        if charges:
            verdict = self._local.take(charges)
            self._find_spent(verdict)
            self._settle(verdict)

    def take_failure(self, address: str | None) -> None:
        """Count a refused token; only refused ones are ever kept waiting for it.

        Raises:
            RateLimitedError: there were too many from this address.
        """
        charges = self._limits.of_failure(address)
        if charges:
            self._settle(self._local.take(charges))

    async def take(self, use: Use, actor: Actor, address: str | None, tell: Tell) -> None:
        """Take from the caller's limits and his address' in one step; ``tell`` learns what is left either way.

        Raises:
            RateLimitedError: one of them has nothing left, and nothing was taken from any.
        """
        charges = self._limits.of_request(use, actor, address)
        taken = self._limiter.take(charges) if charges else NO_LIMITS
        verdict = taken if isinstance(taken, Verdict) else await taken
        if charges and not min(verdict.left)[0]:
            self._find_spent(verdict)
        self._settle(verdict, tell)

    def take_frame(self, use: Use, actor: Actor) -> Awaitable[None] | None:
        """Take from the caller's limits for a frame: its socket was counted against the address when it was opened.

        Nothing is left to await where there is no limit, or where it is known here.

        Raises:
            RateLimitedError: one of them has nothing left, and nothing was taken from any.
        """
        charges = self._limits.of_actor(use, actor)
        if not charges:
            return None
        verdict = self._limiter.take(charges)
        if not isinstance(verdict, Verdict):
            return self._settle_later(verdict)
        self._settle(verdict)
        return None

    async def look(self, actor: Actor, address: str | None) -> Sequence[Level]:
        """Tell what is left of all that this caller draws on."""
        charges = self._limits.of_everything(actor, address)
        return await self._limiter.look(charges) if charges else ()

    async def _settle_later(self, verdict: Awaitable[Verdict]) -> None:
        self._settle(await verdict)

    def _find_spent(self, verdict: Verdict) -> None:
        """Have an address looked at before anything else is done for it, if it has nothing left."""
        # In shadow mode nothing is refused before it is known what else it draws on, where it is counted once.
        if self._shadow is not None:
            return
        for (limit, key), (remaining, _) in zip(verdict.charges, verdict.left, strict=True):
            if limit.scope is Scope.ADDRESS and not remaining:
                self.spent[key] = None
        while len(self.spent) > MAX_SPENT:
            # Each that is forgotten has one request more before it is remembered again.
            del self.spent[next(iter(self.spent))]

    def _settle(self, verdict: Verdict, tell: Tell | None = None) -> None:
        if self._shadow is not None:
            # Clients keep away from a limit that they are told of, so in this mode they are told of none.
            if tell is not None:
                tell(NO_LIMITS)
            if verdict.refused is not None:
                self._shadow.note(verdict.refused)
            return
        if tell is not None:
            tell(verdict)
        if verdict.refused is not None:
            self._refuse(verdict.refused, verdict.retry_after_ms)

    def _refuse(self, limit: Limit, retry_after_ms: int) -> None:
        self.refused[limit.name] += 1
        raise RateLimitedError(limit.scope, retry_after_ms, limit.name)


class Shadow:
    """What would have been refused: counted, and logged a line per limit every few seconds, with nobody's name."""

    def __init__(self, clock: Clock) -> None:
        self.noted: Counter[str] = Counter()
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}

    def note(self, limit: Limit) -> None:
        """Take down that a limit would have refused something."""
        self.noted[limit.name] += 1
        now, count = self._clock.monotonic(), self.noted[limit.name]
        at, before = self._logged.get(limit.name, (-SHADOW_LOG_SECONDS, 0))
        if now - at >= SHADOW_LOG_SECONDS:
            self._logged[limit.name] = (now, count)
            _log.warning("rate_limit_would_refuse", limit=limit.name, scope=limit.scope.value, count=count - before)
