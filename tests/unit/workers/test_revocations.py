"""The list of revocations is followed without missing one, whatever becomes of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.sqlite.revocations import SQLiteRevocations
from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.revocation import NewRevocation, Revocation, RevocationKind
from sanctum_messaging.guards.revocations import KnownRevocations
from sanctum_messaging.workers import revocations as worker
from sanctum_messaging.workers.revocations import RevocationFollower
from tests.acting import actor
from tests.support import TENANT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.adapters.sqlite.database import Database
    from tests.conftest import HandClock


class Watched(SQLiteRevocations):
    """A list that can be out of reach, and tells how often it was read."""

    def __init__(self, database: Database, clock: HandClock) -> None:
        super().__init__(database, clock)
        self.reads = 0
        self.read = asyncio.Event()
        self.is_down = False

    async def read_from(self, revocation_id: int, *, limit: int) -> Sequence[Revocation]:
        self.reads += 1
        self.read.set()
        if self.is_down:
            raise UnavailableError("It is down.")
        return await super().read_from(revocation_id, limit=limit)

    async def revoke(self, *names: str) -> None:
        for name in names:
            await self.add(NewRevocation(TENANT, RevocationKind.USER, name, self._clock.now()))

    async def read_again(self) -> None:
        """Wait until it was read from now on."""
        self.read.clear()
        await self.read.wait()


class Following:
    """A follower, and what it learned."""

    def __init__(self, revocations: Watched, clock: HandClock) -> None:
        self.known = KnownRevocations()
        self.told = 0
        self.follower = RevocationFollower(revocations, self.known, clock, on_new=self._tell, poll_seconds=0)

    def _tell(self) -> None:
        self.told += 1

    def refuses(self, *names: str) -> list[bool]:
        return [self.known.is_revoked(actor(name)) for name in names]


@pytest.fixture
def revocations(database: Database, clock: HandClock) -> Watched:
    return Watched(database, clock)


@pytest.fixture
def following(revocations: Watched, clock: HandClock) -> Following:
    return Following(revocations, clock)


async def test_what_is_revoked_is_known_after_the_next_look(revocations: Watched, following: Following) -> None:
    await revocations.revoke("ann")
    await following.follower.catch_up()
    assert following.refuses("ann", "bob") == [True, False]
    await revocations.revoke("bob")
    assert following.refuses("ann", "bob") == [True, False]
    await following.follower.catch_up()
    assert following.refuses("ann", "bob") == [True, True]
    assert following.told == 2


async def test_a_look_costs_one_read_and_tells_nobody_of_nothing(revocations: Watched, following: Following) -> None:
    await revocations.revoke("ann")
    await following.follower.catch_up()
    revocations.reads = 0

    await following.follower.catch_up()

    assert (revocations.reads, following.told) == (1, 1)


async def test_many_are_read_page_by_page(
    revocations: Watched, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "PAGE", 3)
    names = [f"user-{number}" for number in range(8)]
    await revocations.revoke(*names)

    await following.follower.catch_up()

    assert all(following.refuses(*names))


async def test_it_goes_on_by_itself_also_after_an_outage(revocations: Watched, following: Following) -> None:
    running = asyncio.create_task(following.follower.run())
    await revocations.revoke("ann")
    await revocations.read_again()
    revocations.is_down = True
    await revocations.read_again()
    await revocations.read_again()
    assert following.refuses("ann") == [True], "what was known holds"
    await revocations.revoke("bob")
    revocations.is_down = False
    await revocations.read_again()
    # The read that was waited for may still be under way; the next begins after it.
    await revocations.read_again()
    assert following.refuses("ann", "bob") == [True, True]
    running.cancel()


async def test_a_restored_backup_hides_no_later_one(
    revocations: Watched, following: Following, database: Database
) -> None:
    """Ids are given anew after a restore; whoever only asked for higher ones would miss them."""
    await revocations.revoke("ann", "bob", "cid")
    await following.follower.catch_up()
    database.writer.execute("DELETE FROM revocation WHERE id > 1")
    await revocations.revoke("dan")

    await following.follower.catch_up()

    assert following.refuses("ann", "bob", "cid", "dan") == [True] * 4


async def test_a_list_that_became_empty_is_followed_from_its_beginning(
    revocations: Watched, following: Following, database: Database
) -> None:
    await revocations.revoke("ann", "bob")
    await following.follower.catch_up()
    database.writer.execute("DELETE FROM revocation")
    await following.follower.catch_up()
    await revocations.revoke("cid")

    await following.follower.catch_up()

    assert following.refuses("cid") == [True]


async def test_before_anybody_is_let_in_an_outage_is_told(revocations: Watched, following: Following) -> None:
    revocations.is_down = True
    with pytest.raises(UnavailableError):
        await following.follower.catch_up()
