from __future__ import annotations

import pytest

from sanctum_messaging.adapters.memory.limiter import LocalOnly, MemoryLimiter
from sanctum_messaging.config.parsers import parse_networks
from sanctum_messaging.guards.addresses import Networks
from sanctum_messaging.guards.limits import Limits, LimitSettings
from sanctum_messaging.guards.rate_limits import RateLimits, Shadow
from tests.conftest import HandClock

SETTINGS = LimitSettings(
    interval_ms=60_000,
    requests_per_address=8,
    sends_per_device=2,
    sends_per_session=3,
    sends_per_user=4,
    reads_per_user=3,
    creates_per_user=2,
    connects_per_user=2,
    connects_per_address=3,
    failures_per_address=2,
    exempt=Networks(parse_networks("127.0.0.1")),
)


def limits_of(clock: HandClock, settings: LimitSettings = SETTINGS, *, shadow: Shadow | None = None) -> RateLimits:
    """Count in one process, by a clock that is moved by hand."""
    local = MemoryLimiter(clock)
    return RateLimits(Limits(settings), limiter=LocalOnly(local), local=local, shadow=shadow)


@pytest.fixture
def rate_limits(clock: HandClock) -> RateLimits:
    return limits_of(clock)
