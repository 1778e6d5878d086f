"""The connections: one that writes, in a thread of its own, and a few that only read, in theirs.

One connection does all writing and all checkpoints; the others are ``query_only`` and never checkpoint. That, and a
lock file against a second process, keeps the file clear of SQLite's WAL-reset fault, whatever SQLite is linked.

Statements that concern many rows take them as one JSON array and give them back as one: a thread lets go of the
interpreter's lock once per step of a statement, and beside a busy event loop it waits long to get it back.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import apsw
import msgspec

from sanctum_messaging.adapters.sqlite.checkpoints import Checkpoints
from sanctum_messaging.domain.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

R = TypeVar("R")

READER_THREADS = 4
"""Reads wait for the disk or for SQLite, not for Python; more threads than this fight over the interpreter's lock."""
BUSY_MS = 5_000
"""How long a statement waits for another process' lock, such as a backup's."""

_WRITER_PRAGMAS = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -16384;
"""
_READER_PRAGMAS = """
PRAGMA query_only = 1;
PRAGMA wal_autocheckpoint = 0;
PRAGMA cache_size = -8192;
"""


class DatabaseLockedError(Exception):
    """Another process holds the database."""


class Database:
    """One SQLite file. ``open`` before use, ``close`` after."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is opened yet."""
        self.path = path
        self._lock_fd: int | None = None
        self._writer_thread = ThreadPoolExecutor(1, "sqlite-writer")
        self._reader_threads = ThreadPoolExecutor(READER_THREADS, "sqlite-reader")
        self._local = threading.local()
        self._writer: apsw.Connection | None = None
        self._readers: list[apsw.Connection] = []

    def open(self) -> None:
        """Take the lock file and open the writing connection.

        Raises:
            DatabaseLockedError: another process has the file open.
        """
        # What is in there is for nobody else on this machine. A folder that exists keeps what its owner chose.
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_fd = take_lock(self.path)
        # Nor is a new file, in whatever folder; those beside it get its rights from SQLite.
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connection = apsw.Connection(str(self.path))
        connection.set_busy_timeout(BUSY_MS)
        for _ in connection.execute(_WRITER_PRAGMAS):
            pass
        Checkpoints(connection, busy_ms=BUSY_MS)
        self._writer = connection

    def close(self) -> None:
        """Let everything under way finish, checkpoint, and give the lock back."""
        self._reader_threads.shutdown()
        self._writer_thread.shutdown()
        for connection in self._readers:
            connection.close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    async def write(self, work: Callable[[apsw.Connection], R]) -> R:
        """Run one transaction in the writer's thread: BEGIN IMMEDIATE, the work, COMMIT.

        Raises:
            UnavailableError: nothing was written; with ``outcome_unknown``, the commit itself failed.
        """
        return await asyncio.get_running_loop().run_in_executor(self._writer_thread, self.write_here, work)

    def write_here(self, work: Callable[[apsw.Connection], R]) -> R:
        """Run one transaction in the calling thread, which must be the only one that writes."""
        connection = self.writer
        with _translated():
            connection.execute("BEGIN IMMEDIATE")
        try:
            with _translated():
                result = work(connection)
        except BaseException:
            _roll_back(connection)
            raise
        with _translated(code="outcome_unknown"):
            try:
                connection.execute("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise
        return result

    async def read(self, work: Callable[[apsw.Connection], R]) -> R:
        """Run a read in one of the readers' threads; it sees every commit that came before.

        Raises:
            UnavailableError: the database does not answer.
        """
        return await asyncio.get_running_loop().run_in_executor(self._reader_threads, self._read_here, work)

    async def read_snapshot(self, work: Callable[[apsw.Connection], R]) -> R:
        """Run a read of several statements that see one state of the database."""

        def in_transaction(connection: apsw.Connection) -> R:
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                # A disk that fails has ended it already.
                _roll_back(connection)

        return await self.read(in_transaction)

    def _read_here(self, work: Callable[[apsw.Connection], R]) -> R:
        with _translated():
            return work(self._reader())

    @property
    def writer(self) -> apsw.Connection:
        """The writing connection."""
        if self._writer is None:
            message = "the database is not open"
            raise RuntimeError(message)
        return self._writer

    def _reader(self) -> apsw.Connection:
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
            connection.set_busy_timeout(BUSY_MS)
            for _ in connection.execute(_READER_PRAGMAS):
                pass
            self._local.connection = connection
            self._readers.append(connection)
        return connection


def take_lock(path: Path) -> int:
    """Take the lock file beside a database, which is given back by closing the descriptor returned.

    Raises:
        DatabaseLockedError: another process has it.
    """
    fd = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(fd, 32).decode("ascii", "replace").strip()
        os.close(fd)
        message = f"{path} is in use by another process (pid {holder or 'unknown'}); a SQLite file serves one"
        raise DatabaseLockedError(message) from error
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    return fd


def fetch_json(connection: apsw.Connection, sql: str, bindings: dict[str, Any] | tuple[Any, ...] = ()) -> Any:  # noqa: ANN401 - rows have as many shapes as there are statements
    """Run a statement whose one row's first column is JSON, in one step, and decode it."""
    row = connection.execute(sql, bindings).get
    return msgspec.json.decode(row[0] if isinstance(row, tuple) else row)


def fetch_row(
    connection: apsw.Connection, sql: str, bindings: dict[str, Any] | tuple[Any, ...] = ()
) -> tuple[Any, ...] | None:
    """Run a statement that gives at most one row of at least two columns."""
    for row in connection.execute(sql, bindings):
        return tuple(row)
    return None


def insert_rows(connection: apsw.Connection, into: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows of plain values with one statement, in one step: a fifth of what it takes to unpack them from JSON.

    ``into`` is a table of ours with its columns. What contradicts a constraint takes the whole transaction back, so
    that SQLite need not keep what this statement alone has changed.
    """
    row = f"({', '.join('?' * len(rows[0]))})"
    statement = f"INSERT OR ROLLBACK INTO {into} VALUES {', '.join([row] * len(rows))}"
    connection.execute(statement, [*chain.from_iterable(rows)])


def encode(rows: object) -> str:
    """Encode rows as the JSON that a statement unpacks with ``json_each``."""
    return msgspec.json.encode(rows).decode()


def _roll_back(connection: apsw.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


@contextmanager
def _translated(code: str = "unavailable") -> Generator[None]:
    """Translate what the driver raises about its environment; what it raises about our SQL is a fault of ours."""
    try:
        yield
    except (
        apsw.BusyError,
        apsw.LockedError,
        apsw.FullError,
        apsw.IOError,
        apsw.ReadOnlyError,
        apsw.CantOpenError,
    ) as error:
        detail = "The database does not take this now."
        raise UnavailableError(detail, code=code) from error
