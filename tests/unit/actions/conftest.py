"""Ports for the actions: a real store with the real writers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acting import Heard, running_ports

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from sanctum_messaging.ports import Ports
    from tests.conftest import HandClock


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def ports(store: SQLiteStore, clock: HandClock, heard: Heard) -> AsyncGenerator[Ports]:
    async with running_ports(store, clock, heard) as ports:
        yield ports
