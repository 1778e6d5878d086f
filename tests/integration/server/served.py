"""A service in a process of its own, behind one of the endpoints, until nobody holds its standard input any more.

python -m tests.integration.server.served DIRECTORY ENDPOINT
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Self

import structlog

from tests.integration.server.wire import PATIENCE, wire_to
from tests.socket_endpoints import ENDPOINTS

_ROOT = Path(__file__).parents[3]


class Served:
    """The process; ``environ`` configures the service."""

    def __init__(self, data_dir: Path, endpoint: str, environ: dict[str, str]) -> None:
        command = [sys.executable, "-m", __spec__.name, str(data_dir), endpoint]
        given = [f"{name}={value}" for name, value in environ.items()]
        self._process = subprocess.Popen(
            [*command, *given], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=PATIENCE)


def _serve(data_dir: str, endpoint: str, *environ: str) -> None:
    # Nobody reads what would be logged.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    given = dict(each.split("=", 1) for each in environ)
    with wire_to(Path(data_dir), environ=given, endpoint=ENDPOINTS[endpoint]) as wire:
        sys.stdout.write(f"{wire.port}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
