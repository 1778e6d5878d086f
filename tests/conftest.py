"""What tests of all levels share: a clock that moves by hand, a real store in a temporary folder, and real servers."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from sanctum_messaging.adapters.postgres import migrate as postgres_migrate
from sanctum_messaging.adapters.sqlite.database import Database
from sanctum_messaging.adapters.sqlite.migrate import apply_migrations
from sanctum_messaging.adapters.sqlite.store import SQLiteStore
from sanctum_messaging.adapters.system import SystemClock
from sanctum_messaging.domain.model import Millis

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.postgres import PostgresServer

pytest_plugins = ["tests.servers.fixtures"]

# How long an example takes says more about the machine's other work than about ours. In CI the examples are always the
# same ones, so that what fails there fails again; everywhere else they are new each time.
settings.register_profile(
    "tests", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("tests")


class HandClock(SystemClock):
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def now(self) -> Millis:
        return Millis(int(self.seconds * 1000))

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "messaging.db")
    database.open()
    apply_migrations(database.writer)
    yield database
    database.close()


@pytest.fixture
def store(database: Database, clock: HandClock) -> SQLiteStore:
    return SQLiteStore(database, clock)


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    """Migrate one database of PostgreSQL, of which tests get copies: they are there in milliseconds."""
    name = postgres_server.create_database()
    asyncio.run(postgres_migrate.apply_migrations(postgres_server.url_of(name)))
    return name


@pytest.fixture
def migrated_url(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    """Create a migrated database of PostgreSQL for this test alone."""
    postgres_server.revive()
    name = postgres_server.create_database(template=migrated_template)
    yield postgres_server.url_of(name)
    postgres_server.revive()
    postgres_server.drop_database(name)
