"""The clean-up: what is kept for a time only is deleted after it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from sanctum_messaging.domain.errors import UnavailableError

if TYPE_CHECKING:
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.store import Store

PERIOD_SECONDS = 600.0
"""Expired rows are refused when read, so nobody notices a late clean-up."""

_log = structlog.get_logger()


async def run_retention(store: Store, clock: Clock, *, period_seconds: float = PERIOD_SECONDS) -> None:
    """Forget what is expired, now and then; ends only by cancellation."""
    while True:
        try:
            forgotten = await store.forget_expired(clock.now())
        except UnavailableError as refusal:
            _log.warning("retention_refused", code=refusal.code)
        except Exception as fault:  # noqa: BLE001 - what is kept too long hurts less than an instance that ends
            _log.error("retention_failed", exc_info=fault)
        else:
            if forgotten:
                _log.info("retention_forgot", rows=forgotten)
        await asyncio.sleep(period_seconds)
