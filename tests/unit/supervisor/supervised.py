"""A supervisor of small workers, as its tests see it."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from tests.program import PATIENCE_SECONDS, Program

PROGRAM = Path(__file__).with_name("supervisor_program.py")


class Supervised(Program):
    """The program of a supervisor, started, with what its workers and its announcement say."""

    def __init__(
        self,
        folder: Path,
        behaviour: str = "",
        *,
        workers: int = 2,
        stop_seconds: float = 20,
        first_delay_seconds: float = 1,
    ) -> None:
        arguments = (behaviour, workers, stop_seconds, first_delay_seconds)
        super().__init__([sys.executable, str(PROGRAM), *map(str, arguments)], folder=folder)

    def wait_for_workers(self, count: int = 2) -> dict[int, int]:
        """Return the process of each worker, by its number, as they come."""
        return dict(self.wait_for_worker() for _ in range(count))

    def wait_for_worker(self) -> tuple[int, int]:
        """Return the number and the process of the next worker that listens."""
        found = self.wait_for(r"^worker (\d+) is (\d+)$")
        self.children.add(int(found[2]))
        return int(found[1]), int(found[2])

    def wait_for_port(self) -> int:
        """Return the port once the supervisor tells it."""
        return int(self.wait_for(r"^announced (\d+)$")[1])


def call(port: int) -> str:
    """Call the workers' address and return what one of them answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        return b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
