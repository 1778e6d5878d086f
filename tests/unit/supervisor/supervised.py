"""A supervisor in a process of its own, as its tests see it: by its lines, its workers and its end."""

from __future__ import annotations

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

PROGRAM = Path(__file__).with_name("supervisor_program.py")
PATIENCE_SECONDS = 20


class Supervised:
    """The running program. What it and its workers write is read line by line; the end of it is the end of them all."""

    def __init__(
        self,
        folder: Path,
        behaviour: str = "",
        *,
        workers: int = 2,
        stop_seconds: float = 20,
        first_delay_seconds: float = 1,
    ) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), behaviour, str(workers), str(stop_seconds), str(first_delay_seconds)],
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            process_group=0,
        )
        self._unread: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the next line that fits; lines before it are kept in ``lines`` only."""
        while (line := self._unread.get(timeout=PATIENCE_SECONDS)) is not None:
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"there was no {pattern!r} in:\n{''.join(self.lines)}")

    def wait_for_workers(self, count: int = 2) -> dict[int, int]:
        """Return the process of each worker, by its number, as they come."""
        return dict(self.wait_for_worker() for _ in range(count))

    def wait_for_worker(self) -> tuple[int, int]:
        """Return the number and the process of the next worker that listens."""
        found = self.wait_for(r"^worker (\d+) is (\d+)$")
        return int(found[1]), int(found[2])

    def wait_for_port(self) -> int:
        """Return the port once the supervisor tells it."""
        return int(self.wait_for(r"^announced (\d+)$")[1])

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code, once nobody is left who could write."""
        self.send(number)
        return self.wait()

    def wait(self) -> int:
        """Return the exit code, once nobody is left who could write."""
        self._reader.join(PATIENCE_SECONDS)
        assert not self._reader.is_alive(), "somebody is left behind"
        return self.process.wait(PATIENCE_SECONDS)

    def count(self, text: str) -> int:
        """Return how many lines hold the text."""
        return sum(text in line for line in self.lines)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            self._unread.put(line)
        self._unread.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE_SECONDS)
        if self.process.stderr is not None:
            self.process.stderr.close()


def call(port: int) -> str:
    """Call the workers' address and return what one of them answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        return b"".join(iter(lambda: connection.recv(65_536), b"")).decode()


def is_there(pid: int) -> bool:
    """Tell whether there is such a process, be it only as one that nobody has taken leave of."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
