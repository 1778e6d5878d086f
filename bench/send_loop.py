"""A loop of ``socket.send`` over all sockets that are open, in a process of its own: nothing in Python is cheaper.

It listens on a free port, which it prints, and reads what to send as JSON, a line at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from typing import TYPE_CHECKING, Self

import msgspec

from bench.measuring import read_cpu_seconds
from sanctum_messaging.server.limits import raise_descriptor_limit

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_BACKLOG = 2_048
_DONE = b"done\n"


class Turn(msgspec.Struct, frozen=True):
    """What to send to each socket, how often, and in which period; without one, as fast as it goes."""

    data: bytes
    times: int
    period: float = 0.0


class SendLoop:
    """The process, seen from outside. Whoever connects to its port is sent to."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls) -> AsyncGenerator[Self]:
        """Start it, and stop it."""
        command = (sys.executable, "-m", "bench.send_loop")
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield cls(process, int(await process.stdout.readline()))
        finally:
            process.stdin.close()
            await process.wait()

    @property
    def cpu_seconds(self) -> float:
        """The processor time that it has used."""
        return read_cpu_seconds(self._process.pid)

    async def send(self, turn: Turn) -> None:
        """Have it send, and wait until it has."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(turn) + b"\n")
        assert await self._process.stdout.readline() == _DONE


def main() -> None:
    raise_descriptor_limit()
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener:
        listener.settimeout(0)
        print(listener.getsockname()[1], flush=True)
        sockets: list[socket.socket] = []
        for line in sys.stdin.buffer:
            _accept(listener, sockets)
            _send(sockets, msgspec.json.decode(line, type=Turn))
            sys.stdout.buffer.write(_DONE)
            sys.stdout.buffer.flush()


def _accept(listener: socket.socket, sockets: list[socket.socket]) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            accepted, _ = listener.accept()
            accepted.settimeout(None)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sockets.append(accepted)


def _send(sockets: list[socket.socket], turn: Turn) -> None:
    begun, data = time.perf_counter(), turn.data
    for number in range(turn.times):
        time.sleep(max(0.0, begun + number * turn.period - time.perf_counter()))
        for each in sockets:
            each.send(data)


if __name__ == "__main__":
    main()
