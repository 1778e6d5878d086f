from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sanctum_messaging.observability import loop_lag
from sanctum_messaging.observability.loop_lag import LATE_SECONDS, REMEMBERED_SECONDS, LoopLag
from tests.hub_client import until

if TYPE_CHECKING:
    import pytest

    from tests.conftest import HandClock


async def test_it_sees_how_late_the_loop_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_lag, "SAMPLE_SECONDS", 0.001)
    times = iter([0.0, 7.0])
    lag = LoopLag(lambda: next(times, 7.0))

    sampling = asyncio.create_task(lag.run())
    await until(lambda: lag.lateness.total > 0)
    sampling.cancel()

    # Said to be due at 0.001 and woken at 7.
    assert lag.lateness.total >= 6.9
    assert lag.is_late()


def test_a_long_stall_is_present_for_a_while(clock: HandClock) -> None:
    lag = LoopLag(clock.monotonic)
    lag.note(LATE_SECONDS - 0.1)
    assert not lag.is_late()

    lag.note(LATE_SECONDS)
    assert lag.is_late()

    clock.advance(REMEMBERED_SECONDS)
    assert not lag.is_late()
