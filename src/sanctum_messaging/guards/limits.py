"""Which limits a use draws on, and by what name a caller is counted in each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from sanctum_messaging.domain.limits import Charge, Limit, Scope, Use
from sanctum_messaging.guards.addresses import NOBODY, Networks, limit_key

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Actor, DeviceId, SessionId, TenantId, UserId

_REMEMBERED = 4_096
"""Callers whose charges need not be made again, for each use: most of what is asked for is asked by few."""
_UNKNOWN = "-"
"""Whom an address stands for that nobody knows; all of them share what one address may."""


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """How much an operator allows in each interval; 0 is no limit. ``exempt`` addresses have no limit of their own."""

    interval_ms: int
    requests_per_address: int = 0
    sends_per_device: int = 0
    sends_per_session: int = 0
    sends_per_user: int = 0
    reads_per_user: int = 0
    creates_per_user: int = 0
    connects_per_user: int = 0
    connects_per_address: int = 0
    failures_per_address: int = 0
    exempt: Networks = NOBODY


class Limits:
    """The limits in force, by what is asked for. What has no limit costs nothing further."""

    def __init__(self, settings: LimitSettings) -> None:
        self._exempt = settings.exempt
        self._failures = _limit(settings, "failures-address", Scope.ADDRESS, settings.failures_per_address)
        self._of_actor = _limits_of_actor(settings)
        self._of_address = _limits_of_address(settings)
        self._charge_caller = lru_cache(_REMEMBERED)(self._make_charges)
        self._charge_request = lru_cache(_REMEMBERED)(self._make_all_charges)
        self.of_address = lru_cache(_REMEMBERED)(self._charge_address)
        """Charges a use to the address that it came from."""
        self.of_failure = lru_cache(_REMEMBERED)(self._charge_failure)
        """Charges a refused token to the address that it came from."""

    @property
    def names(self) -> list[str]:
        """All limits in force."""
        groups = (self._failures, *self._of_actor.values(), *self._of_address.values())
        return sorted({limit.name for group in groups for limit in group})

    def of_actor(self, use: Use, actor: Actor) -> tuple[Charge, ...]:
        """Charge a use to the caller's device, session and user."""
        return self._charge_caller(use, actor.tenant, actor.user, actor.device, actor.session)

    def of_request(self, use: Use, actor: Actor, address: str | None) -> tuple[Charge, ...]:
        """Charge a use to the address that it came from, and to the caller's device, session and user."""
        return self._charge_request(use, actor.tenant, actor.user, actor.device, actor.session, address)

    def of_everything(self, actor: Actor, address: str | None) -> tuple[Charge, ...]:
        """List every limit that this caller draws on, each once."""
        uses = (Use.SEND, Use.READ, Use.CREATE, Use.CONNECT)
        return (*self.of_address(Use.CONNECT, address), *(each for use in uses for each in self.of_actor(use, actor)))

    def _make_all_charges(  # noqa: PLR0917 - as below
        self, use: Use, tenant: TenantId, user: UserId, device: DeviceId, session: SessionId, address: str | None
    ) -> tuple[Charge, ...]:
        return self.of_address(use, address) + self._charge_caller(use, tenant, user, device, session)

    def _make_charges(  # noqa: PLR0917 - what is remembered is remembered by position
        self, use: Use, tenant: TenantId, user: UserId, device: DeviceId, session: SessionId
    ) -> tuple[Charge, ...]:
        # No name holds a control character, so that the keys of different callers are different texts. Devices and
        # sessions are named within the user: what a token claims to be is never counted against anybody else.
        keys = {
            Scope.DEVICE: f"{tenant}\n{user}\n{device}",
            Scope.SESSION: f"{tenant}\n{user}\n{session}",
            Scope.USER: f"{tenant}\n{user}",
        }
        return tuple(Charge(limit, keys[limit.scope]) for limit in self._of_actor[use])

    def _charge_address(self, use: Use, address: str | None) -> tuple[Charge, ...]:
        return self._charge(self._of_address[use], address)

    def _charge_failure(self, address: str | None) -> tuple[Charge, ...]:
        return self._charge(self._failures, address)

    def _charge(self, limits: tuple[Limit, ...], address: str | None) -> tuple[Charge, ...]:
        if not limits or (address is not None and address in self._exempt):
            return ()
        key = _UNKNOWN if address is None else limit_key(address)
        return tuple(Charge(limit, key) for limit in limits)


def _limits_of_actor(settings: LimitSettings) -> dict[Use, tuple[Limit, ...]]:
    connects = _limit(settings, "connect-user", Scope.USER, settings.connects_per_user)
    return {
        Use.SEND: (
            *_limit(settings, "send-device", Scope.DEVICE, settings.sends_per_device),
            *_limit(settings, "send-session", Scope.SESSION, settings.sends_per_session),
            *_limit(settings, "send-user", Scope.USER, settings.sends_per_user),
        ),
        Use.READ: _limit(settings, "read-user", Scope.USER, settings.reads_per_user),
        Use.CREATE: _limit(settings, "create-user", Scope.USER, settings.creates_per_user),
        Use.CONNECT: connects,
        Use.OPEN: connects,
        Use.RENEW: (),
    }


def _limits_of_address(settings: LimitSettings) -> dict[Use, tuple[Limit, ...]]:
    requests = _limit(settings, "requests-address", Scope.ADDRESS, settings.requests_per_address)
    connects = _limit(settings, "connect-address", Scope.ADDRESS, settings.connects_per_address)
    return {
        **dict.fromkeys((Use.SEND, Use.READ, Use.CREATE), requests),
        Use.CONNECT: requests + connects,
        # The handshake of this socket has drawn on them.
        **dict.fromkeys((Use.OPEN, Use.RENEW), ()),
    }


def _limit(settings: LimitSettings, name: str, scope: Scope, most: int) -> tuple[Limit, ...]:
    return (Limit(name, scope, most, settings.interval_ms),) if most else ()
