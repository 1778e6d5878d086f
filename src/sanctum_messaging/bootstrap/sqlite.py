"""The embedded database: opened, locked and brought to the schema of this version."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import apsw
import structlog

from sanctum_messaging.adapters.sql.migrations import MigrationError
from sanctum_messaging.adapters.sqlite import migrate as sqlite_migrate
from sanctum_messaging.adapters.sqlite.database import BUSY_MS, Database, DatabaseLockedError
from sanctum_messaging.config import ConfigError, Fault

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from sanctum_messaging.config import Config

FIRST_SOUND_SQLITE = (3, 51, 3)
"""Older ones may lose commits when two connections write or checkpoint a WAL at once. Ours never do; a tool beside us
might."""

_log = structlog.get_logger()


@contextmanager
def open_database(config: Config) -> Generator[Database]:
    """Open the database, migrated: one process serves it, so nobody runs on the old schema meanwhile.

    Raises:
        ConfigError: another process has it, it can't be opened, or a newer version made it.
    """
    database = Database(config.database_path)
    try:
        database.open()
        for name in sqlite_migrate.apply_migrations(database.writer):
            _log.info("migrated", migration=name)
    except (DatabaseLockedError, MigrationError) as error:
        database.close()
        raise ConfigError(Fault("DATABASE_URL", str(error))) from error
    except (apsw.Error, OSError) as error:
        database.close()
        raise ConfigError(Fault("DATABASE_URL", f"can't open {_describe(error, config.database_path)}")) from error
    _warn_of_old_library()
    try:
        yield database
    finally:
        database.close()


def migrate_sqlite(config: Config) -> list[str]:
    """Bring the file to the schema of this version; return what was applied.

    Raises:
        ConfigError: as ``open_database``.
    """
    before = find_pending(config)
    with open_database(config):
        return before


def find_pending(config: Config) -> list[str]:
    """List what is pending without taking the lock, so that it can be asked beside a running service.

    Raises:
        ConfigError: the file can't be read, or a newer version made it.
    """
    known = sqlite_migrate.migrations()
    if not is_there(config.database_path):
        return [migration.name for migration in known]
    try:
        with closing(apsw.Connection(str(config.database_path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
            connection.set_busy_timeout(BUSY_MS)
            connection.execute("PRAGMA query_only = 1")
            return [migration.name for migration in sqlite_migrate.find_unapplied(connection, known)]
    except MigrationError as error:
        raise ConfigError(Fault("DATABASE_URL", str(error))) from error
    except apsw.Error as error:
        raise ConfigError(Fault("DATABASE_URL", f"can't read {config.database_path}: {error}")) from error


def is_there(path: Path) -> bool:
    """Tell whether there is such a file.

    Raises:
        ConfigError: its folder can't be looked into, as that of a service is by nobody but its own user.
    """
    try:
        return path.exists()
    except OSError as error:
        raise ConfigError(Fault("DATABASE_URL", f"can't open {_describe(error, path)}")) from error


def _describe(error: apsw.Error | OSError, path: Path) -> str:
    """Name the file that can't be opened, which may be one of those beside the database, and say why."""
    if not isinstance(error, OSError):
        return f"{path}: {error}"
    return f"{error.filename or path}: {error.strerror or type(error).__name__}"


def _warn_of_old_library() -> None:
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < FIRST_SOUND_SQLITE:
        _log.warning("sqlite_is_old", version=apsw.sqlite_lib_version(), advice="install apsw from its wheel")
