"""Numbered, checksummed, forward-only migrations."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import apsw

_TABLE = """
CREATE TABLE IF NOT EXISTS migration (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL
)
"""


class MigrationError(Exception):
    """The database was made by files other than these."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """A digest of the text, so that an edited file is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load_migrations() -> list[Migration]:
    """Read the files of this package, in order."""
    folder = files(__package__).joinpath("migrations")
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".sql"))
    return [Migration(int(name[:4]), name, folder.joinpath(name).read_text("utf-8")) for name in names]


def find_pending(connection: apsw.Connection, migrations: list[Migration]) -> list[Migration]:
    """Find what was not applied yet.

    Raises:
        MigrationError: an applied file has another text now, or the database is newer than this program.
    """
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'migration'").get is None:
        return migrations
    applied: dict[int, str] = dict(connection.execute("SELECT number, checksum FROM migration"))
    for migration in migrations:
        if applied.get(migration.number, migration.checksum) != migration.checksum:
            message = f"migration {migration.name} was edited after it had been applied"
            raise MigrationError(message)
    newer = set(applied) - {migration.number for migration in migrations}
    if newer:
        message = f"the database was made by a newer version (it knows migration {max(newer)})"
        raise MigrationError(message)
    return [migration for migration in migrations if migration.number not in applied]


def apply_migrations(connection: apsw.Connection) -> list[str]:
    """Apply what is pending, each in a transaction of its own; return the names.

    Raises:
        MigrationError: as ``find_pending``.
    """
    pending = find_pending(connection, load_migrations())
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
