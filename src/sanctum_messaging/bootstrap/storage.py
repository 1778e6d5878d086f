"""Where everything durable is: a SQLite file, or PostgreSQL; what stands above can't tell which."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import click

from sanctum_messaging.adapters.sqlite.audit import SQLiteAudit
from sanctum_messaging.adapters.sqlite.resume_store import SQLiteResumeStore
from sanctum_messaging.adapters.sqlite.revocations import SQLiteRevocations
from sanctum_messaging.adapters.sqlite.store import SQLiteStore
from sanctum_messaging.bootstrap import sqlite
from sanctum_messaging.bootstrap.readings.sqlite import sqlite_readings
from sanctum_messaging.config import ConfigError, Fault
from sanctum_messaging.ports.resume_store import ResumeStore
from sanctum_messaging.workers.coalescing import ManyResumeStates

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from sanctum_messaging.config import Config
    from sanctum_messaging.observability.metrics import Reading
    from sanctum_messaging.ports.audit import AuditLog
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.revocations import Revocations
    from sanctum_messaging.ports.store import Store


class ResumeStates(ResumeStore, ManyResumeStates, Protocol):
    """A resume store that also takes many states at once."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What instances that share a log have in common: its name, and a key that nobody else knows."""

    log_id: str
    bus_key: str


@dataclass(frozen=True, slots=True)
class Storage:
    """An open database. ``shared`` is none where one process has it alone; ``risks`` are words of what it may lose."""

    store: Store
    resume_states: ResumeStates
    revocations: Revocations
    audit: AuditLog
    shared: Shared | None = None
    risks: tuple[str, ...] = ()
    readings: Sequence[Reading] = ()


@asynccontextmanager
async def open_storage(config: Config, clock: Clock) -> AsyncGenerator[Storage]:
    """Open the database that is configured; it has the schema of this version, or one that this version runs on.

    Raises:
        ConfigError: it can't be had like this.
    """
    if config.uses_postgres:
        check_driver("asyncpg", "DATABASE_URL", "postgres")
        from sanctum_messaging.bootstrap.postgres import open_postgres  # noqa: PLC0415 # The driver is optional.

        async with open_postgres(config, clock) as storage:
            yield storage
    else:
        with sqlite.open_database(config) as database:
            yield Storage(
                SQLiteStore(database, clock),
                SQLiteResumeStore(database, clock),
                SQLiteRevocations(database, clock),
                SQLiteAudit(database),
                readings=sqlite_readings(database),
            )


def migrate(config: Config, *, check: bool) -> int:
    """Bring the schema to this version, or, with ``check``, tell with exit code 1 that there is something to do.

    Raises:
        ConfigError: the database can't be had.
    """
    if config.uses_postgres:
        check_driver("asyncpg", "DATABASE_URL", "postgres")
        from sanctum_messaging.bootstrap import postgres  # noqa: PLC0415 # As above.

        work = postgres.find_pending(config) if check else postgres.migrate_postgres(config)
        names = asyncio.run(work)
    else:
        names = sqlite.find_pending(config) if check else sqlite.migrate_sqlite(config)
    for name in names:
        click.echo(f"{'pending' if check else 'applied'}: {name}")
    if not check:
        click.echo("The schema is that of this version.")
        return 0
    click.echo("There is something to migrate." if names else "Nothing to migrate.")
    return 1 if names else 0


def check_driver(module: str, variable: str, extra: str) -> None:
    """Raise ConfigError where an optional driver is not installed."""
    if find_spec(module) is None:
        raise ConfigError(Fault(variable, f"needs the extra: pip install 'sanctum-messaging[{extra}]'"))
