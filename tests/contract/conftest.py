"""The stores whose contract is proven. Each test runs on every one of them, and has it to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from sanctum_messaging.domain.model import Cursor


@pytest.fixture
def move_floor(store: SQLiteStore) -> Callable[[Cursor], Awaitable[None]]:
    """Return what forgets the log up to a cursor."""

    async def move(floor: Cursor) -> None:
        writer = store._database.writer
        writer.execute("DELETE FROM event WHERE position <= ?", (floor.position,))
        writer.execute("UPDATE log_floor SET position = ?, tag = ?", (floor.position, floor.tag))

    return move
