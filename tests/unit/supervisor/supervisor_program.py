"""A supervisor of small workers.

Called with their behaviour, their number, how long they may take to stop, and the first delay of a restart.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import sys
from pathlib import Path

from sanctum_messaging.observability.logging import configure_logging
from sanctum_messaging.supervisor import restart_delay
from sanctum_messaging.supervisor import supervisor as module

WORKER = Path(__file__).with_name("worker_program.py")
PR_SET_CHILD_SUBREAPER = 36


def announce(address: bytes) -> None:
    os.write(2, address)


def main() -> int:
    behaviour, count, stop_seconds, delay_seconds = sys.argv[1:]
    configure_logging("info", human=False)
    if sys.platform == "linux":
        # Orphans below this process become its children, as they do of the first process of a container.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    module.STOP_SECONDS = float(stop_seconds)
    restart_delay.FIRST_SECONDS = float(delay_seconds)
    command = [sys.executable, str(WORKER), behaviour]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"announced {listener.getsockname()[1]}\n".encode()
        supervisor = module.Supervisor(
            ["/nowhere"] if behaviour == "missing" else command,
            listener,
            count=int(count),
            environ=os.environ,
            announce=lambda: announce(address),
        )
        return asyncio.run(supervisor.run())


if __name__ == "__main__":
    sys.exit(main())
