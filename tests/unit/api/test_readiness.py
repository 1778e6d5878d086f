from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sanctum_messaging.api.readiness import WriteProbe
from sanctum_messaging.domain.errors import UnavailableError

if TYPE_CHECKING:
    import pytest

    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from tests.conftest import HandClock


async def test_a_store_that_takes_writes_is_ready(store: SQLiteStore, clock: HandClock) -> None:
    assert (await WriteProbe(store, clock).check()).state == "ready"


class TestProofs:
    async def test_are_made_once_a_second(
        self, store: SQLiteStore, clock: HandClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proofs = self.count(store, monkeypatch)
        probe = WriteProbe(store, clock)
        for seconds in (0, 0.5, 0.4):
            clock.advance(seconds)
            await asyncio.gather(*(probe.check() for _ in range(3)))
        assert len(proofs) == 1
        clock.advance(0.1)
        await probe.check()
        assert len(proofs) == 2

    def count(self, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        proofs: list[int] = []
        prove = store.check_writable

        async def counted() -> None:
            proofs.append(1)
            await prove()

        monkeypatch.setattr(store, "check_writable", counted)
        return proofs

    async def test_that_fail_degrade_for_ten_seconds(
        self, store: SQLiteStore, clock: HandClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failing: list[bool] = [False]

        async def prove() -> None:
            if failing[-1]:
                raise UnavailableError("The disk is full.")

        monkeypatch.setattr(store, "check_writable", prove)
        probe, states = WriteProbe(store, clock), []
        for fails, seconds in ((False, 1), (True, 1), (True, 9.9), (True, 0.2), (False, 1), (True, 1)):
            failing.append(fails)
            clock.advance(seconds)
            readiness = await probe.check()
            states.append(readiness.state)
            assert readiness.reasons == (() if readiness.state == "ready" else ("writes_fail",))
        assert states == ["ready", "degraded", "degraded", "not_ready", "ready", "degraded"]

    async def test_that_take_too_long_are_none(
        self, store: SQLiteStore, clock: HandClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sanctum_messaging.api.readiness.PROOF_DEADLINE_S", 0.01)
        monkeypatch.setattr(store, "check_writable", asyncio.Event().wait)
        assert (await WriteProbe(store, clock).check()).state == "degraded"
