"""The shared database: connected to, checked, and migrated when somebody says so."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import structlog

from sanctum_messaging.adapters.postgres import migrate
from sanctum_messaging.adapters.postgres.audit import PostgresAudit
from sanctum_messaging.adapters.postgres.database import Database, DatabaseRefusedError
from sanctum_messaging.adapters.postgres.durability import find_risks
from sanctum_messaging.adapters.postgres.installation import read_installation
from sanctum_messaging.adapters.postgres.resume_store import PostgresResumeStore
from sanctum_messaging.adapters.postgres.revocations import PostgresRevocations
from sanctum_messaging.adapters.postgres.store import PostgresStore
from sanctum_messaging.adapters.sql.migrations import MigrationError
from sanctum_messaging.bootstrap.readings.postgres import postgres_readings
from sanctum_messaging.bootstrap.storage import Shared, Storage
from sanctum_messaging.config import ConfigError, Fault
from sanctum_messaging.domain.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable

    from sanctum_messaging.config import Config
    from sanctum_messaging.ports.clock import Clock

T = TypeVar("T")

_log = structlog.get_logger()


@asynccontextmanager
async def open_postgres(config: Config, clock: Clock) -> AsyncGenerator[Storage]:
    """Connect to the database; in development bring it to this version's schema first.

    Raises:
        ConfigError: it can't be reached, is of the wrong kind or version, wants migrating, or is not durable though
            that was required.
    """
    if config.dev:
        await migrate_postgres(config)
    elif pending := await find_pending(config):
        raise ConfigError(Fault("DATABASE_URL", f"the schema lacks {pending[0]}: run `sanctum migrate` first"))
    database = Database(config.database_url, pool_size=config.database_pool_size)
    await _refusing(database.open())
    try:
        risks = await _refusing(find_risks(database))
        if risks and config.require_durable:
            detail = f"REQUIRE_DURABLE is on, and the server may lose what it has committed ({', '.join(risks)})"
            raise ConfigError(Fault("DATABASE_URL", detail))
        if risks:
            _log.warning("database_not_durable", risks=risks)
        installation = await _refusing(read_installation(database))
        yield Storage(
            PostgresStore(database, clock),
            PostgresResumeStore(database, clock),
            PostgresRevocations(database, clock),
            PostgresAudit(database),
            Shared(installation.log_id, installation.bus_key),
            risks,
            postgres_readings(database),
        )
    finally:
        await database.close()


async def migrate_postgres(config: Config) -> list[str]:
    """Bring the schema to this version while instances run on it; return what was applied.

    Raises:
        ConfigError: the database can't be had, or was made by other files than these.
    """
    names = await _refusing(migrate.apply_migrations(config.database_url))
    for name in names:
        _log.info("migrated", migration=name)
    return names


async def find_pending(config: Config) -> list[str]:
    """List what there is to migrate.

    Raises:
        ConfigError: as ``migrate_postgres``.
    """
    return [each.name for each in await _refusing(migrate.find_unapplied(config.database_url))]


async def _refusing(work: Awaitable[T]) -> T:
    try:
        return await work
    except (DatabaseRefusedError, MigrationError, UnavailableError) as error:
        raise ConfigError(Fault("DATABASE_URL", str(error))) from error
