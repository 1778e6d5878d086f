"""Bringing a file to this version's schema. One process has it, so nobody runs on the old one meanwhile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sql.migrations import Applied, Migration, find_pending, load_migrations

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

_TABLE = """
CREATE TABLE IF NOT EXISTS migration (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL
)
"""

_APPLIED = "SELECT number, checksum FROM migration"


def migrations() -> list[Migration]:
    """Read this version's."""
    return load_migrations(__package__)


def find_unapplied(connection: apsw.Connection, known: Sequence[Migration]) -> list[Migration]:
    """Find what was not applied yet.

    Raises:
        MigrationError: an applied file has another text now, or the database is newer than this program.
    """
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'migration'").get is None:
        return list(known)
    applied = [Applied(number, checksum, number) for number, checksum in connection.execute(_APPLIED)]
    return find_pending(known, applied)


def apply_migrations(connection: apsw.Connection) -> list[str]:
    """Apply what is pending, each in a transaction of its own; return the names.

    Raises:
        MigrationError: as ``find_unapplied``.
    """
    pending = find_unapplied(connection, migrations())
    for migration in pending:
        with connection:
            connection.execute(_TABLE)
            for _ in connection.execute(migration.sql):
                pass
            connection.execute(
                "INSERT INTO migration VALUES (?, ?, ?, ?)",
                (migration.number, migration.name, migration.checksum, int(time.time() * 1000)),
            )
    return [migration.name for migration in pending]
