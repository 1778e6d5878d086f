"""A real pgbouncer in front of a database, in a mode of pooling; it is not among what `make test` brings."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.servers.fixtures import leave_out
from tests.servers.postgres_binaries import unprivileged_user
from tests.servers.server import Server, open_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SESSIONS = 30
"""Of the server, for all clients; two instances in session mode need up to 26."""


class PgBouncer(Server):
    """Takes its clients' word for who they are, and opens sessions as the tests' server wants them."""

    ENDING = signal.SIGKILL
    STOPPING = signal.SIGINT

    def __init__(self, folder: Path, *, binary: str, upstream: str, settings: Mapping[str, str]) -> None:
        super().__init__(folder)
        self._binary = binary
        self._upstream = urlsplit(upstream)
        self._settings = {"default_pool_size": str(_SESSIONS), "auth_type": "any", "unix_socket_dir": "", **settings}
        self.user = unprivileged_user()

    @property
    def url(self) -> str:
        return self._upstream._replace(netloc=f"{self._upstream.username}@127.0.0.1:{self.port}").geturl()

    def command(self) -> list[str]:
        database, upstream = self._upstream.path[1:], self._upstream
        settings = {**self._settings, "listen_addr": "127.0.0.1", "listen_port": str(self.port)}
        where = f"{database} = host=127.0.0.1 port={upstream.port} user={upstream.username}"
        lines = ["[databases]", where, "[pgbouncer]", *(f"{name} = {value}" for name, value in settings.items())]
        path = self.folder / "pgbouncer.ini"
        path.write_text("\n".join(lines) + "\n")
        if self.user is not None:
            os.chown(self.folder, self.user, -1)
            os.chown(path, self.user, -1)
        return [self._binary, str(path)]

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


@contextlib.contextmanager
def open_pgbouncer(upstream: str, *, mode: str, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start one in front of a database, and give its address; leave the test out where there is none."""
    binary = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if binary is None:
        leave_out("no pgbouncer was found; Debian's package of that name has it")
    with open_folder("pgbouncer") as folder:
        own = {"pool_mode": mode, **(settings or {})}
        server = PgBouncer(folder, binary=binary, upstream=upstream, settings=own)
        try:
            server.start_anywhere()
            yield server.url
        finally:
            server.end()
