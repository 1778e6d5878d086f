"""What every list of revocations guarantees."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import pytest

from sanctum_messaging.adapters.postgres.revocations import PostgresRevocations
from sanctum_messaging.adapters.postgres.store import PostgresStore
from sanctum_messaging.adapters.sqlite.database import Database as SQLiteDatabase
from sanctum_messaging.adapters.sqlite.revocations import SQLiteRevocations
from sanctum_messaging.adapters.sqlite.store import SQLiteStore
from sanctum_messaging.domain.model import Millis
from sanctum_messaging.domain.revocation import REVOCATION_KEPT_MS, NewRevocation, Revocation, RevocationKind
from tests.postgres_database import opened
from tests.support import TENANT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.ports.revocations import Revocations
    from sanctum_messaging.ports.store import Store
    from tests.conftest import HandClock

DAY_S = 24 * 3600


class Place(NamedTuple):
    """The list, and the store that forgets what is past its time."""

    revocations: Revocations
    store: Store


@pytest.fixture
async def listed(place: SQLiteDatabase | str, clock: HandClock) -> AsyncGenerator[Place]:
    if isinstance(place, SQLiteDatabase):
        yield Place(SQLiteRevocations(place, clock), SQLiteStore(place, clock))
        return
    async with opened(place) as database:
        yield Place(PostgresRevocations(database, clock), PostgresStore(database, clock))


def of_user(name: str, not_before: int = 5) -> NewRevocation:
    return NewRevocation(TENANT, RevocationKind.USER, name, Millis(not_before))


async def test_what_was_added_is_read_as_it_was(listed: Place, clock: HandClock) -> None:
    news = [NewRevocation(TENANT, kind, 'Éowyn\'s "ünïcode" 🙂', Millis(2**50)) for kind in RevocationKind]
    added = [await listed.revocations.add(new) for new in news]

    assert list(await listed.revocations.read_from(0, limit=10)) == added
    assert [each.id for each in added] == [1, 2, 3]
    first = Revocation(1, TENANT, RevocationKind.USER, news[0].value, Millis(2**50), clock.now())
    assert added[0] == first


async def test_a_page_begins_with_the_one_that_was_named(listed: Place) -> None:
    for name in ("ann", "bob", "cid", "dan"):
        await listed.revocations.add(of_user(name))

    assert [each.value for each in await listed.revocations.read_from(2, limit=2)] == ["bob", "cid"]
    assert [each.value for each in await listed.revocations.read_from(4, limit=2)] == ["dan"]
    assert await listed.revocations.read_from(5, limit=2) == []


async def test_those_added_at_once_get_an_id_each(listed: Place) -> None:
    added = await asyncio.gather(*(listed.revocations.add(of_user(f"user-{number}")) for number in range(20)))

    assert sorted(each.id for each in added) == list(range(1, 21))
    assert {each.value for each in await listed.revocations.read_from(0, limit=100)} == {each.value for each in added}


async def test_they_are_kept_for_ninety_days_and_no_id_is_given_twice(listed: Place, clock: HandClock) -> None:
    assert REVOCATION_KEPT_MS == 90 * DAY_S * 1000
    for name in ("ann", "bob"):
        await listed.revocations.add(of_user(name))
    clock.advance(90 * DAY_S - 1)
    assert await listed.store.forget_expired(clock.now()) == 0
    clock.advance(1)
    assert await listed.store.forget_expired(clock.now()) == 1, "the newest has to stay"

    assert [each.value for each in await listed.revocations.read_from(0, limit=10)] == ["bob"]
    assert (await listed.revocations.add(of_user("cid"))).id == 3
    assert await listed.store.forget_expired(clock.now()) == 1
    assert [each.value for each in await listed.revocations.read_from(0, limit=10)] == ["cid"]
