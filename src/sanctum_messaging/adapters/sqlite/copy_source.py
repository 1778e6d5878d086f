"""An installation at rest, read from end to end so that it can be taken elsewhere. Nothing of it is changed."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import apsw
import msgspec

from sanctum_messaging.adapters.sql.migrations import MigrationError
from sanctum_messaging.adapters.sqlite.database import BUSY_MS, DatabaseLockedError, take_lock
from sanctum_messaging.adapters.sqlite.head import read_head
from sanctum_messaging.adapters.sqlite.migrate import find_unapplied, migrations

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from sanctum_messaging.adapters.sql.tables import Key, Row, Table
    from sanctum_messaging.domain.model import Cursor

CHUNK_ROWS = 5_000
"""Few enough that an interruption loses less than a second's work."""
CHUNK_CHARACTERS = 4 * 1024 * 1024
"""Of text in a chunk, so that memory stays bounded however long the texts are."""
_OURS = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'installation'"


class SourceRefusedError(Exception):
    """The file can't be copied, for a reason that one sentence tells."""


class SourceDamagedError(Exception):
    """A table can't be read to its end."""


class CopySource:
    """One snapshot of an installation: its log's name and end, and all of its rows."""

    def __init__(self, connection: apsw.Connection, *, chunk_rows: int) -> None:
        self._connection = connection
        self._chunk_rows = chunk_rows

    @property
    def log_id(self) -> str:
        return str(self._connection.execute("SELECT log_id FROM installation").get)

    def read_head(self) -> Cursor:
        return read_head(self._connection)

    def count_rows(self, table: Table) -> int:
        return int(self._connection.execute(f"SELECT count(*) FROM {table.name}").get)

    def read_chunks(self, table: Table, after: Key | None = None) -> Iterator[list[Row]]:
        """Read a table's rows behind a key in the order of their keys, a bounded number and size at a time.

        Raises:
            SourceDamagedError: with the key behind which it happened.
        """
        chunk: list[Row] = []
        characters = 0
        try:
            for row in self._connection.execute(_select(table, after), after or ()):
                chunk.append(row)
                characters += sum(len(value) for value in row if isinstance(value, str))
                if len(chunk) >= self._chunk_rows or characters >= CHUNK_CHARACTERS:
                    yield chunk
                    after, chunk, characters = table.key_of(chunk[-1]), [], 0
        except (apsw.Error, UnicodeDecodeError) as error:
            place = msgspec.json.encode(table.key_of(chunk[-1]) if chunk else after).decode()
            message = f"table {table.name} can't be read behind the key {place}: {error}"
            raise SourceDamagedError(message) from error
        if chunk:
            yield chunk


@contextmanager
def open_source(path: Path, *, chunk_rows: int = CHUNK_ROWS) -> Generator[CopySource]:
    """Open a file that no service has open, for reading alone, in one snapshot.

    Raises:
        SourceRefusedError: there is none, a service runs on it, or this version does not know its schema.
    """
    try:
        if not path.is_file():
            message = f"there is no file {path}"
            raise SourceRefusedError(message)
        lock = take_lock(path)
    except DatabaseLockedError as error:
        message = f"{error}: stop it first"
        raise SourceRefusedError(message) from error
    except OSError as error:
        message = f"can't lock {path}: {error.strerror}"
        raise SourceRefusedError(message) from error
    try:
        with closing(_connect(path)) as connection:
            yield CopySource(connection, chunk_rows=chunk_rows)
    finally:
        os.close(lock)


def _connect(path: Path) -> apsw.Connection:
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(BUSY_MS)
            connection.execute("BEGIN")
            _check_schema(connection, path)
        except BaseException:
            connection.close()
            raise
    except (MigrationError, apsw.Error) as error:
        message = f"can't copy {path}: {error}"
        raise SourceRefusedError(message) from error
    return connection


def _check_schema(connection: apsw.Connection, path: Path) -> None:
    if connection.execute(_OURS).get is None:
        message = f"{path} holds no installation of this service"
        raise SourceRefusedError(message)
    if pending := find_unapplied(connection, migrations()):
        message = f"the schema of {path} lacks {pending[0].name}: run `sanctum migrate` on it first"
        raise SourceRefusedError(message)


def _select(table: Table, after: Key | None) -> str:
    columns = ", ".join(f'"{name}"' for name in table.columns)
    key = ", ".join(f'"{name}"' for name in table.key)
    behind = f"WHERE ({key}) > ({', '.join('?' * len(table.key))})" if after else ""
    return f"SELECT {columns} FROM {table.name} {behind} ORDER BY {key}"
