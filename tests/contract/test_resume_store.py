"""What every resume store guarantees; a new adapter is a fixture ``<name>_resumes`` and a parameter of ``resumes``."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import pytest

from sanctum_messaging.adapters.postgres.resume_store import PostgresResumeStore
from sanctum_messaging.adapters.redis.connection import open_redis
from sanctum_messaging.adapters.redis.resume_store import create_redis_resume_store
from sanctum_messaging.adapters.sqlite.resume_store import SQLiteResumeStore
from sanctum_messaging.domain.model import Actor, Cursor, DeviceId, Millis, Position, SessionId, UserId
from sanctum_messaging.ports.resume_store import ResumeState, ResumeStore
from sanctum_messaging.workers.coalescing import ManyResumeStates
from tests.postgres_database import migrated
from tests.support import TENANT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.adapters.sqlite.database import Database
    from tests.conftest import HandClock

ANN = Actor(TENANT, UserId("ann"), DeviceId("phone"), SessionId("s1"), Millis(2**50))
FIRST = "id1.1.secret"
DAY = 24 * 3600


class ManyResumes(ResumeStore, ManyResumeStates, Protocol):
    """A store of which the service's writer persists many states at once."""


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def resumes(request: pytest.FixtureRequest) -> ResumeStore:
    store: ResumeStore = request.getfixturevalue(f"{request.param}_resumes")
    return store


@pytest.fixture
def sqlite_resumes(database: Database, clock: HandClock) -> ResumeStore:
    return SQLiteResumeStore(database, clock)


@pytest.fixture
async def postgres_resumes(postgres_url: str, clock: HandClock) -> AsyncGenerator[ResumeStore]:
    async with migrated(postgres_url) as database:
        yield PostgresResumeStore(database, clock)


@pytest.fixture
async def redis_resumes(valkey_url: str, clock: HandClock) -> AsyncGenerator[ResumeStore]:
    redis = open_redis(valkey_url)
    yield create_redis_resume_store(redis=redis, clock=clock)
    await redis.aclose()


def state_of(position: int, generation: int = 1) -> ResumeState:
    return ResumeState(TENANT, ANN.user, ANN.device, ANN.session, Cursor(Position(position), "0000abcd"), generation)


async def test_a_stored_session_is_taken_over_under_a_new_token(resumes: ResumeStore) -> None:
    assert await resumes.persist(FIRST, state_of(5), DAY)
    found = await resumes.load(FIRST, ANN)
    assert found is not None
    state, token = found
    assert (state.cursor.position, state.generation) == (5, 2)
    assert token.startswith("id1.2.")
    assert await resumes.persist(token, replace(state, cursor=Cursor(Position(9), "0000abcd")), DAY)
    again = await resumes.load(token, ANN)
    assert again is not None
    assert (again[0].cursor.position, again[0].generation) == (9, 3)


async def test_nobody_else_resumes_it(resumes: ResumeStore) -> None:
    await resumes.persist(FIRST, state_of(5), DAY)
    strangers = (
        replace(ANN, user=UserId("bob")),
        replace(ANN, device=DeviceId("laptop")),
        replace(ANN, tenant=UserId("other")),  # type: ignore[arg-type] # any text will do
    )
    for stranger in strangers:
        assert await resumes.load(FIRST, stranger) is None
    for wrong in ("id1.1.guess", "id2.1.secret", "id1.secret", "", "id1.x.secret", "id1.1.secret.more", "id1.².secret"):
        assert await resumes.load(wrong, ANN) is None
    assert await resumes.load(FIRST, replace(ANN, session=SessionId("s2"))) is not None


async def test_the_token_before_is_good_for_a_minute(resumes: ResumeStore, clock: HandClock) -> None:
    await resumes.persist(FIRST, state_of(5), DAY)
    lost = await resumes.load(FIRST, ANN)  # The welcome with its token never arrives.
    assert lost is not None
    clock.advance(59)
    found = await resumes.load(FIRST, ANN)
    assert found is not None
    assert found[0].generation == 3
    clock.advance(2)
    assert await resumes.load(FIRST, ANN) is None
    assert await resumes.load(lost[1], ANN) is None
    assert await resumes.load(found[1], ANN) is not None


async def test_a_superseded_generation_writes_nothing(resumes: ResumeStore) -> None:
    await resumes.persist(FIRST, state_of(5), DAY)
    found = await resumes.load(FIRST, ANN)
    assert found is not None
    assert not await resumes.persist(FIRST, state_of(99), DAY)
    await resumes.drop(FIRST, "bye")
    assert await resumes.persist(found[1], found[0], DAY)
    after = await resumes.load(found[1], ANN)
    assert after is not None
    assert after[0].cursor.position == 5


async def test_of_two_simultaneous_loads_the_later_may_write(resumes: ResumeStore) -> None:
    await resumes.persist(FIRST, state_of(5), DAY)
    both = await asyncio.gather(resumes.load(FIRST, ANN), resumes.load(FIRST, ANN))
    found = sorted((each for each in both if each is not None), key=lambda each: each[0].generation)
    assert [each[0].generation for each in found] == [2, 3]
    assert not await resumes.persist(found[0][1], found[0][0], DAY)
    assert await resumes.persist(found[1][1], found[1][0], DAY)


async def test_a_session_ends_by_being_dropped_or_by_time(resumes: ResumeStore, clock: HandClock) -> None:
    await resumes.persist(FIRST, state_of(5), DAY)
    await resumes.drop(FIRST, "bye")
    assert await resumes.load(FIRST, ANN) is None
    await resumes.persist("id2.1.secret", state_of(5), DAY)
    clock.advance(DAY - 1)
    assert await resumes.persist("id2.1.secret", state_of(6), DAY)
    clock.advance(DAY - 1)
    assert await resumes.load("id2.1.secret", ANN) is not None
    clock.advance(1)
    assert await resumes.load("id2.1.secret", ANN) is None


async def test_a_run_of_sessions_is_dropped_each_as_if_alone(resumes: ManyResumes) -> None:
    tokens = [f"id{number}.1.secret" for number in range(5)]
    for number, token in enumerate(tokens):
        await resumes.persist(token, state_of(number), DAY)
    (taken_over,) = await resumes.load_many([(tokens[1], ANN)])
    assert taken_over is not None
    dropped = [tokens[3], "no token", "id9.1.secret", tokens[1], "id2.7.secret", tokens[3]]
    assert await resumes.drop_many(dropped) == [None] * len(dropped)
    left = [tokens[0], taken_over[1], tokens[2], tokens[3], tokens[4]]
    found = await resumes.load_many([(token, ANN) for token in left])
    assert [None if each is None else each[0].cursor.position for each in found] == [0, 1, None, None, 4]


async def test_a_run_of_sessions_is_taken_over_each_as_if_alone(resumes: ManyResumes) -> None:
    tokens = [f"id{number}.1.secret" for number in range(5)]
    for number, token in enumerate(tokens):
        await resumes.persist(token, state_of(number), DAY)
    bob = replace(ANN, user=UserId("bob"))
    wanted = [(tokens[3], ANN), ("no token", ANN), (tokens[1], bob), (tokens[0], ANN), ("id9.1.secret", ANN)]
    # The second of two in one run shows the token before, which is good for a minute.
    found = await resumes.load_many([*wanted, (tokens[3], replace(ANN, session=SessionId("s2")))])
    assert [None if each is None else (each[0].cursor.position, each[0].generation) for each in found] == [
        *[(3, 2), None, None, (0, 2), None],
        (3, 3),
    ]
    first, *_, last = (each for each in found if each is not None)
    assert last[0].session == "s2"
    assert not await resumes.persist(first[1], first[0], DAY)
    assert await resumes.persist(last[1], last[0], DAY)
    assert await resumes.load(last[1], ANN) is not None
    assert await resumes.load(tokens[1], ANN) is not None
    assert list(await resumes.load_many([])) == []


async def test_a_run_of_states_is_stored_at_once(resumes: ManyResumes) -> None:
    tokens = [f"id{number}.1.secret" for number in range(50)]
    for token in tokens[:2]:
        await resumes.persist(token, state_of(5), DAY)
    taken = await resumes.load(tokens[0], ANN)
    assert taken is not None
    stored = await resumes.persist_many([(token, state_of(7), DAY) for token in tokens])
    assert stored == [False] + [True] * 49
    for token in tokens[1:]:
        found = await resumes.load(token, ANN)
        assert found is not None
        assert found[0].cursor.position == 7
    assert await resumes.persist_many([]) == []
