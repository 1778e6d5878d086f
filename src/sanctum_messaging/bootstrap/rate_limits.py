"""The rate limits as they are configured, and what counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.guards.addresses import Networks
from sanctum_messaging.guards.limits import Limits, LimitSettings
from sanctum_messaging.guards.rate_limits import RateLimits, Shadow

if TYPE_CHECKING:
    from sanctum_messaging.config import Config
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.limiter import Limiter, LocalLimiter


def rate_limits_of(config: Config, clock: Clock, *, limiter: Limiter, local: LocalLimiter) -> RateLimits:
    """Put the limits together; ``limiter`` counts who is known, ``local`` the addresses of those who are not."""
    shadow = None if is_enforced(config) else Shadow(clock)
    return RateLimits(Limits(_settings(config)), limiter=limiter, local=local, shadow=shadow)


def is_enforced(config: Config) -> bool:
    """Tell whether what is above a limit is refused."""
    return config.rate_limit_mode == "enforce"


def _settings(config: Config) -> LimitSettings:
    return LimitSettings(
        interval_ms=config.rate_limit_interval_ms,
        requests_per_address=config.rate_limit_max,
        sends_per_device=config.rate_limit_per_device,
        sends_per_session=config.rate_limit_per_session,
        sends_per_user=config.rate_limit_per_user,
        reads_per_user=config.rate_limit_read_per_user,
        creates_per_user=config.rate_limit_create_per_user,
        connects_per_user=config.rate_limit_connect_per_user,
        connects_per_address=config.rate_limit_connect_per_address,
        failures_per_address=config.rate_limit_auth_failures,
        exempt=Networks(config.rate_limit_allowlist),
    )
