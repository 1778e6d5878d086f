"""A server as a child process that never outlives us, together with the processes below it."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

POLL_SECONDS = 0.005
"""Between two looks at something that cannot be waited for."""
GONE_SECONDS = 10
"""How long a killed server may take to vanish; far more than it does."""

# The shell becomes the server, so that the process we started is the server itself. Before, it forks a guard that is
# nobody's child: the guard reads a pipe whose other end only we hold, and which breaks when we die in whatever way.
# Then it ends the server and removes the folder. `$$` is the server's id in the guard too. A word dismisses the guard.
_GUARDED = """
signal=$1 folder=$2; shift 2
exec 3<&0 </dev/null
( (
    read -r word <&3 && exit
    kill -CONT $$; kill -s "$signal" $$
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do kill -0 $$ || break; sleep 0.3; done
    kill -KILL $$
    rm -rf -- "$folder"
) >/dev/null 2>&1 & )
exec 3<&-
exec "$@"
"""
_DISMISSED = b"done\n"


class Child:
    """A running server, in the folder where it lives and which is removed with it, should we die.

    It is started without code of ours between fork and exec, so any thread may do it, and a thread that ends does not
    take the server with it. ``ending`` is the signal by which the guard ends it.
    """

    def __init__(
        self, command: Sequence[str], *, folder: Path, ending: signal.Signals, environ: dict[str, str], user: int | None
    ) -> None:
        with (folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _GUARDED, "sh", ending.name.removeprefix("SIG"), str(folder), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environ,
                # What interrupts the tests from a terminal is for them alone.
                start_new_session=True,
                user=user,
                group=group_of(user),
                extra_groups=None if user is None else [],
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server alone."""
        self._process.send_signal(number)

    def send_to_all(self, number: signal.Signals) -> list[int]:
        """Send a signal to the server, then to its children, which it so neither replaces nor mourns; return those."""
        children = children_of(self.pid)
        self._process.send_signal(number)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)
        return children

    def kill(self) -> None:
        """End the server and its children at once, as a loss of power does; return when they are gone."""
        children = self.send_to_all(signal.SIGKILL) if self.is_running() else []
        self.wait(GONE_SECONDS)
        deadline = time.monotonic() + GONE_SECONDS
        while any(map(_is_alive, children)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def wait(self, seconds: float) -> None:
        """Return once the server is gone, and dismiss its guard."""
        self._process.wait(seconds)
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
                pipe.write(_DISMISSED)
            self._process.stdin = None


def group_of(user: int | None) -> int | None:
    """Find the group of a user; None, who stands for ourselves, stays in ours."""
    return None if user is None else pwd.getpwuid(user).pw_gid


def children_of(pid: int) -> list[int]:
    """List the processes that this one started and that still are."""
    return [child for child, parent, state in _processes() if parent == pid and state != "Z"]


def _is_alive(pid: int) -> bool:
    # Where nobody reaps orphans, they stay as zombies.
    return any(child == pid and state != "Z" for child, _, state in _processes())


def _processes() -> list[tuple[int, int, str]]:
    """List all processes: id, parent and state."""
    if not Path("/proc/self/stat").exists():
        columns = ["ps", "-A", "-o", "pid=,ppid=,state="]
        lines = subprocess.run(columns, capture_output=True, check=True, text=True).stdout.splitlines()
        return [(int(pid), int(parent), state[0]) for pid, parent, state in map(str.split, lines)]
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in brackets may hold anything, brackets and spaces too.
            state, parent = stat.read_text("utf-8", "replace").rpartition(")")[2].split()[:2]
            found.append((int(stat.parent.name), int(parent), state))
    return found
