"""What sockets have to pass: the same gate as requests, when they come and with each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from sanctum_messaging.domain.errors import ForbiddenError, RateLimitedError, UnauthenticatedError
from sanctum_messaging.domain.limits import Use
from sanctum_messaging.guards.addresses import Networks
from sanctum_messaging.guards.admission import Visit
from sanctum_messaging.guards.handshakes import Handshakes, HandshakeSettings
from sanctum_messaging.hub.callables import Stage
from sanctum_messaging.protocol.frames import Read, Send, Typing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sanctum_messaging.api.origins import OriginPolicy
    from sanctum_messaging.config import Config
    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.guards.admission import Admission
    from sanctum_messaging.guards.rate_limits import RateLimits
    from sanctum_messaging.hub.callables import AdmitFrame, Authenticate, Credentials, TakeOn
    from sanctum_messaging.ports.clock import Clock

_USES = {Stage.HANDSHAKE: Use.CONNECT, Stage.HELLO: Use.OPEN, Stage.RENEWAL: Use.RENEW}


def authenticate_with(admission: Admission, limits: RateLimits, origins: OriginPolicy) -> Authenticate:
    """Make what proves who a socket is of; each handshake is counted once against its address, however it ends."""

    async def authenticate_socket(credentials: Credentials, origin: str | None, peer: str | None) -> Actor:
        use = _USES[credentials.stage]
        limits.check_address(use, peer)
        # The endpoint has already passed over the service's own origin; the others must be listed.
        if not origins.allows(origin, scheme="", host=None):
            limits.count_address(use, peer)
            detail = "Sockets from this origin are not allowed."
            raise ForbiddenError(detail, code="origin_not_allowed")
        if credentials.token is None:
            limits.take_address(use, peer)
            raise UnauthenticatedError
        return await admission.admit(
            Visit(
                credentials.token,
                credentials.act_as,
                address=peer,
                action="connect",
                use=use,
                tell_actor=credentials.tell,
            )
        )

    return authenticate_socket


def handshakes_of(config: Config, clock: Clock, waiting: Callable[[], int]) -> Handshakes:
    """Put together what takes handshakes on; ``waiting`` tells how many pages of catch-ups wait for the database."""
    settings = HandshakeSettings(
        per_second=config.handshakes_per_second,
        per_address=config.connections_per_address,
        exempt=Networks(config.rate_limit_allowlist),
    )
    return Handshakes(settings, monotonic=clock.monotonic, waiting=waiting)


def take_on_with(handshakes: Handshakes, limits: RateLimits) -> TakeOn:
    """Make what takes handshakes on; one that its address has no place for counts against the address all the same."""

    def take_on(peer: str | None, /) -> Callable[[], None]:
        try:
            return handshakes.take_on(peer)
        except RateLimitedError:
            limits.count_address(Use.CONNECT, peer)
            raise

    return take_on


def admit_frames_with(limits: RateLimits) -> AdmitFrame:
    """Make what frames draw on: the limits of the same calls over HTTP. Typing has a measure of its own."""

    def admit_frame(actor: Actor, frame: Send | Read | Typing, /) -> Awaitable[None] | None:
        match frame:
            case Send():
                return limits.take_frame(Use.SEND, actor)
            case Read():
                return limits.take_frame(Use.READ, actor)
            case Typing():
                return None
            case _:
                assert_never(frame)

    return admit_frame
