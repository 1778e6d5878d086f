"""What servers of every kind share: a port, a folder and a log, and being killed, paused and started again."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.process import POLL_SECONDS, Child

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 90
"""A server that must read back a log first takes a second; more than this, and it hangs."""
STOP_SECONDS = 10
PORTS = range(20_000, 32_000)
"""Below the ports that a system gives to outgoing connections. One of those could take the port of a server that is
down, and be the very connection that tries to reach it: to the same port of the same machine, it connects to itself."""
MEMORY = Path("/dev/shm")  # noqa: S108 - only a folder that `mkdtemp` makes in it is used
MEMORY_BYTES = 2 * 1024**3
"""A server for tests takes a tenth of this; the rest is for what else runs."""
_TAKEN = "Address already in use"
_TRIES = 3


class ServerError(Exception):
    """A server did not start, or did not do what it was told."""


class NoServerError(ServerError):
    """This machine has no such server."""


class Server:
    """A server in a folder of its own, on a port that stays the same from one start to the next."""

    ENDING: signal.Signals
    """Ends it at once, with nothing left behind in the system but its folder."""
    STOPPING: signal.Signals
    """Ends it as an operator does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.user: int | None = None
        """Who it runs as; None is ourselves."""
        self._child: Child | None = None
        self._paused = False

    @property
    def url(self) -> str:
        """Its address, as the service's settings want it."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        return self._running().pid

    def command(self) -> list[str]:
        """Put the command line together."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Ask whether it takes requests; False as long as it only may later."""
        raise NotImplementedError

    def log(self) -> str:
        """Read what it wrote, from the first start on."""
        return (self.folder / "server.log").read_text("utf-8", "replace")

    def is_running(self) -> bool:
        """Tell whether the process is there, paused or not."""
        return self._child is not None and self._child.is_running()

    def start(self) -> None:
        """Start it and return once it answers. Raises ``ServerError`` with its log."""
        assert not self.is_running(), "it is running"
        self._child = Child(
            self.command(), folder=self.folder, ending=self.ENDING, environ=clean_environ(), user=self.user
        )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if not self.is_running() or time.monotonic() > deadline:
                self.kill()
                raise ServerError(f"{self.command()[0]} did not start:\n{self.log()}")
            time.sleep(POLL_SECONDS)

    def start_anywhere(self) -> None:
        """Start it for the first time, on another port if somebody was quicker to take this one."""
        for _ in range(_TRIES):
            try:
                self.start()
            except ServerError:
                if _TAKEN not in self.log():
                    raise
                self.port = free_port()
            else:
                return
        raise ServerError(f"no port was free {_TRIES} times:\n{self.log()}")

    def kill(self) -> None:
        """End it and its children at once (SIGKILL), as a loss of power does. Does nothing if it is not there."""
        if self._child is not None:
            self._child.kill()
        self._child, self._paused = None, False

    def pause(self) -> None:
        """Stop all its processes in their tracks (SIGSTOP): the port takes connections, nobody answers."""
        self._running().send_to_all(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        """Let all its processes go on (SIGCONT). Does nothing if it is not paused."""
        if self._paused:
            self._running().send_to_all(signal.SIGCONT)
        self._paused = False

    def stop(self) -> None:
        """End it as an operator does. Does nothing if it is not there."""
        if self.is_running():
            self.resume()
            self._running().send(self.STOPPING)
            self._running().wait(STOP_SECONDS)
        self.kill()

    def end(self) -> None:
        """End it at once, but let it give back what it took from the system. For those who opened it."""
        if self.is_running():
            self.resume()
            self._running().send(self.ENDING)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._running().wait(STOP_SECONDS)
        self.kill()

    def restart(self) -> None:
        """Start it on the port and with the data it had, whatever it does now."""
        self.stop()
        self.start()

    def revive(self) -> None:
        """Bring it back if it was killed, stopped or paused."""
        if self.is_running():
            self.resume()
        else:
            self.kill()
            self.start()

    def _running(self) -> Child:
        assert self._child is not None, "it is not running"
        return self._child


_given: set[int] = set()
"""Ports that were given out by this process, and on which maybe nobody listens yet."""


def free_port() -> int:
    """Find a TCP port of 127.0.0.1 on which nobody listens, another one each time."""
    while True:
        port = random.SystemRandom().choice([each for each in PORTS if each not in _given])
        _given.add(port)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def clean_environ() -> dict[str, str]:
    """Take the environment without what configures PostgreSQL's programs, and with messages that are always English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C.UTF-8" if os.uname().sysname == "Linux" else "C"}


@contextlib.contextmanager
def open_folder(kind: str, *, parent: Path | None = None) -> Iterator[Path]:
    """Make a folder for a server, and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f"sanctum-{kind}-", dir=parent))
    try:
        yield folder
    finally:
        # A process that was just killed may still remove a file of its own.
        shutil.rmtree(folder, ignore_errors=True)


def find_memory() -> Path | None:
    """Find a folder in memory with room for a server. A container's is often too small, and may not hold programs."""
    if not MEMORY.is_dir():
        return None
    state = os.statvfs(MEMORY)
    fits = state.f_bavail * state.f_frsize >= MEMORY_BYTES and not state.f_flag & os.ST_NOEXEC
    return MEMORY if fits else None
