"""What instances keep for a time they keep for one another, whatever the clock of one of them says."""

from __future__ import annotations

from sanctum_messaging.adapters.postgres.resume_store import PostgresResumeStore
from sanctum_messaging.adapters.postgres.revocations import PostgresRevocations
from sanctum_messaging.adapters.postgres.store import PostgresStore
from sanctum_messaging.adapters.system import SystemClock
from sanctum_messaging.domain.model import Cursor, DeviceId, Millis, Position, SessionId
from sanctum_messaging.domain.revocation import NewRevocation, RevocationKind
from sanctum_messaging.ports.log import Answer, Idempotency
from sanctum_messaging.ports.resume_store import ResumeState
from tests.postgres_database import opened
from tests.support import TENANT, Arranged, user

YEAR_MS = 365 * 24 * 3600 * 1000


async def test_an_instance_whose_clock_is_ahead_forgets_nothing_that_others_use(migrated_url: str) -> None:
    clock, ann = SystemClock(), user("ann")
    async with opened(migrated_url) as database:
        store = PostgresStore(database, clock)
        await Arranged(store).keep(Idempotency(ann, "key", "print"), Answer(created=True))
        state = ResumeState(TENANT, ann, DeviceId("phone"), SessionId("s1"), Cursor(Position(1), "0000abcd"), 1)
        await PostgresResumeStore(database, clock).persist("id1.1.secret", state, 60)
        for _ in range(2):
            new = NewRevocation(TENANT, RevocationKind.USER, ann, clock.now())
            await PostgresRevocations(database, clock).add(new)
        assert await store.forget_expired(Millis(clock.now() + YEAR_MS)) == 0
