"""Who comes in, and for what: the one gate that every request and every socket passes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanctum_messaging.actions.identity import act_for, authenticate
from sanctum_messaging.domain.errors import RateLimitedError, SanctumError, UnauthenticatedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanctum_messaging.domain.limits import Use
    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.guards.rate_limits import RateLimits, Tell
    from sanctum_messaging.guards.revocations import KnownRevocations
    from sanctum_messaging.ports.audit import AuditRecorder
    from sanctum_messaging.ports.identity import TokenVerifier


def _ignore(_told: object) -> None:
    """Nobody wants to know."""


@dataclass(slots=True)
class Visit:
    """A request or a socket that wants to come in.

    ``address`` is the client's, as far as it is known; ``action`` says what is asked for, by the name of its route.
    """

    token: str = field(repr=False)
    act_as: str | None
    address: str | None
    action: str
    use: Use
    request_id: str = ""
    tell: Tell = _ignore
    """Learns what is left of the limits that the visit draws on, before it is refused or let in."""
    tell_actor: Callable[[Actor], object] = _ignore
    """Learns who calls as soon as it is proven, whatever he is then refused for; once more if he acts for another."""


class Admission:
    """Proves who is calling, and that it is not too often, before anything is done for him.

    What a service is let in for is on record before it is done, also if it is refused later on.
    """

    def __init__(
        self, verifier: TokenVerifier, revocations: KnownRevocations, audit: AuditRecorder, limits: RateLimits
    ) -> None:
        self._verifier = verifier
        self._limits = limits
        self._revocations = revocations
        self._audit = audit

    async def admit(self, visit: Visit) -> Actor:
        """Return who is calling; nothing but this call has happened if he is refused.

        Raises:
            UnauthenticatedError: the token is not valid, or was withdrawn.
            ForbiddenError: ``act_as_not_allowed``, since the token is no service token.
            InvalidError: ``Act-As`` can't be a user.
            RateLimitedError: he does it too often; or his token was refused as too many from his address were, which is
                the cause then, and ``refused`` says why it was.
            UnavailableError: no token can be proven now, or a service's use not be put on record.
        """
        actor = await self._identify(visit)
        await self._limits.take(visit.use, actor, visit.address, visit.tell)
        if actor.service:
            await self._audit.record(actor, visit.action, address=visit.address, request_id=visit.request_id)
        return actor

    def check(self, actor: Actor) -> None:
        """Look again at who was let in, before anything is done for him: some time may have passed since.

        Raises:
            RevokedError: his token was withdrawn meanwhile.
        """
        self._revocations.check(actor)

    def trusts(self, actor: Actor) -> bool:
        """Tell whether the token of who was let in would still be proven by the key that proved it."""
        return actor.proven_by is None or self._verifier.trusts(actor.proven_by)

    async def _identify(self, visit: Visit) -> Actor:
        try:
            actor = await authenticate(self._verifier, visit.token)
            visit.tell_actor(actor)
            if visit.act_as is not None:
                actor = act_for(actor, visit.act_as)
                visit.tell_actor(actor)
            self._revocations.check(actor)
        except SanctumError as error:
            self._limits.count_address(visit.use, visit.address)
            if isinstance(error, UnauthenticatedError):
                self._count_failure(error, visit.address)
            raise
        return actor

    def _count_failure(self, error: UnauthenticatedError, address: str | None) -> None:
        try:
            self._limits.take_failure(address)
        except RateLimitedError as limited:
            limited.refused = error.refused
            raise limited from error
