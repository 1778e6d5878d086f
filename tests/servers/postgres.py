"""A real PostgreSQL of our own: in a temporary folder, on a free port, open to everybody on this machine."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from tests.servers.postgres_binaries import find_postgres, reachable, unprivileged_user
from tests.servers.postgres_wire import USER, PostgresError, run_sql, send_sql
from tests.servers.process import POLL_SECONDS, group_of
from tests.servers.server import Server, ServerError, clean_environ, find_memory, open_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

OWN_FOLDER = {"unix_socket_directories": "", "dynamic_shared_memory_type": "mmap"}
"""Keeps all that it makes in its folder, so that a server which was killed leaves nothing elsewhere."""
CARELESS = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "64MB"}
"""For a server that has to outlive its processes, but not the machine: what the kernel holds is safe enough for it."""
REPLAY_SECONDS = 20
_CANNOT_CONNECT_NOW = "57P03"


class PostgresServer(Server):
    """A PostgreSQL in a folder that ``initialise`` or ``clone`` fills. ``settings`` apply from the next start on."""

    # SIGQUIT lets it give back its shared memory; SIGINT does not wait for clients to leave.
    ENDING = signal.SIGQUIT
    STOPPING = signal.SIGINT

    def __init__(self, folder: Path, *, binaries: Path, settings: Mapping[str, str]) -> None:
        super().__init__(folder)
        self.user = unprivileged_user()
        if self.user is not None:
            os.chown(folder, self.user, -1)
        self.binaries = reachable(binaries, self.user, below=folder)
        self.settings = dict(settings)
        self._names = (f"test_{number}" for number in itertools.count(1))

    @property
    def url(self) -> str:
        return self.url_of(USER)

    def url_of(self, database: str) -> str:
        """Name one of its databases."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def command(self) -> list[str]:
        settings = {**self.settings, **OWN_FOLDER, "listen_addresses": "127.0.0.1", "port": str(self.port)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self.binaries / "postgres"), "-D", str(self.folder / "data"), *options]

    def answers(self) -> bool:
        try:
            run_sql(self.port, "SELECT 1")
        except PostgresError as error:
            if error.sqlstate != _CANNOT_CONNECT_NOW:
                raise
            return False
        except OSError:
            return False
        return True

    def run_sql(self, sql: str, *, database: str = USER) -> list[list[str | None]]:
        """Run one statement as the superuser and return its rows as text."""
        return run_sql(self.port, sql, database=database)

    def create_database(self, *, template: str = "template0") -> str:
        """Create a database, which takes milliseconds, and return its name. Nobody may use the template meanwhile."""
        name = next(self._names)
        self.run_sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    def drop_database(self, name: str) -> None:
        """Have a database dropped, with those who use it cut off, and don't wait for it."""
        send_sql(self.port, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def promote(self) -> None:
        """Make the standby that this is a server of its own; return when it takes writes."""
        if self.run_sql("SELECT pg_promote()") != [["t"]]:
            raise ServerError(f"it was not promoted:\n{self.log()}")

    def wait_for(self, primary: PostgresServer) -> None:
        """Return once this standby shows everything that its primary has committed by now."""
        [[written]] = primary.run_sql("SELECT pg_current_wal_lsn()")
        behind = f"SELECT pg_last_wal_replay_lsn() >= '{written}'"
        deadline = time.monotonic() + REPLAY_SECONDS
        while self.run_sql(behind) != [["t"]]:
            if time.monotonic() > deadline:
                raise ServerError(f"the standby does not follow:\n{self.log()}")
            time.sleep(POLL_SECONDS)

    def initialise(self) -> None:
        """Create the data of a new server, with no more than the databases every server has."""
        login = [f"--username={USER}", "--auth=trust", "--encoding=UTF8"]
        self._run("initdb", *login, "--no-sync", "--no-instructions", "-D", str(self.folder / "data"))

    def clone(self, primary: str) -> None:
        """Copy the data of the server at this address, whose standby this becomes."""
        place = ["-D", str(self.folder / "data"), "--write-recovery-conf", "--wal-method=stream"]
        self._run("pg_basebackup", "--dbname", primary, *place, "--checkpoint=fast", "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.binaries / program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd=self.folder,
            env=clean_environ(),
            user=self.user,
            group=group_of(self.user),
            extra_groups=None if self.user is None else [],
        )
        if done.returncode:
            raise ServerError(f"{program} failed:\n{done.stdout}")


@contextlib.contextmanager
def open_postgres(*, durable: bool = False, settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """Start a PostgreSQL and end it afterwards, whatever became of it.

    One that is not durable keeps what it acknowledged through ``kill`` too, but not through a failure of the machine.
    Raises ``NoServerError`` when there is none.
    """
    with _open_folder({**({} if durable else CARELESS), **(settings or {})}) as server:
        server.initialise()
        server.start_anywhere()
        yield server


@contextlib.contextmanager
def open_standby(
    primary: PostgresServer, *, upstream: str | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[PostgresServer]:
    """Start a standby of a running server, which follows it at another address if one is given, such as a proxy's."""
    follows = {"primary_conninfo": upstream or primary.url}
    with _open_folder({**primary.settings, **follows, **(settings or {})}) as server:
        server.clone(primary.url)
        server.start_anywhere()
        yield server


@contextlib.contextmanager
def _open_folder(settings: Mapping[str, str]) -> Iterator[PostgresServer]:
    binaries = find_postgres()
    # The 300 files of a new database take a disk longer than all else that is needed for a test.
    parent = find_memory() if settings.get("fsync") == "off" else None
    with open_folder("postgres", parent=parent) as folder:
        server = PostgresServer(folder, binaries=binaries, settings=settings)
        try:
            yield server
        finally:
            server.end()
