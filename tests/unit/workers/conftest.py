"""A conversation in a store whose answers can be held, and a cache before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.workers.participant_cache import ParticipantCache
from tests.participant_sets import GatedStore, started
from tests.support import Arranged

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from sanctum_messaging.domain.model import ConversationId
    from tests.conftest import HandClock


@pytest.fixture
def arranged(store: SQLiteStore) -> Arranged:
    return Arranged(store)


@pytest.fixture
def gated(store: SQLiteStore) -> GatedStore:
    return GatedStore(store)


@pytest.fixture
async def group(arranged: Arranged) -> ConversationId:
    return await arranged.create("ann", "bob", "cid")


@pytest.fixture
async def version(store: SQLiteStore, group: ConversationId) -> int:
    """What everybody learns who checks that he is in the group, or in another new one."""
    return (await store.read_participants(group)).version


@pytest.fixture
async def cache(gated: GatedStore, clock: HandClock) -> AsyncGenerator[ParticipantCache]:
    """Without a shared level."""
    async with started(ParticipantCache(gated, clock)) as cache:
        yield cache
